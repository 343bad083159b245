"""What may stand in a wording file? Reads words/data/wording.yaml into frozen rules for `serving.words.wording`.

Phrases come out folded (`serving.words.tokens.fold`), the form in which texts are compared with them.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serving.errors import SettingsError
from serving.words.tokens import fold

DEFAULT_WORDING = Path(__file__).parent / "data" / "wording.yaml"
FORMAT_VERSION = 1

Phrase = tuple[str, ...]


class Certainty(enum.StrEnum):
    """What a phrase needs beside it before it says that the goods are a copy."""

    CERTAIN = "certain"
    WITH_BRAND = "with_brand"
    NEAR_BRAND = "near_brand"
    BEFORE_BRAND = "before_brand"


@dataclass(frozen=True)
class ReplicaPhrase:
    """One phrase, its language, and what it needs; `innocent` words near it take it back."""

    words: Phrase
    language: str
    certainty: Certainty
    innocent: tuple[Phrase, ...]


@dataclass(frozen=True)
class CommonWord:
    """A brand name that is an ordinary word, and the words that vouch for the brand."""

    context: frozenset[str]
    only_claimed: bool


@dataclass(frozen=True)
class Wording:
    """All rules of one file."""

    replica: tuple[ReplicaPhrase, ...]
    negations_before: tuple[Phrase, ...]
    negations_after: tuple[Phrase, ...]
    common: Mapping[Phrase, CommonWord]
    fits: tuple[Phrase, ...]


@functools.cache
def load_wording(path: Path = DEFAULT_WORDING) -> Wording:
    """Read a wording file; the shipped one without `path`.

    Raises:
        SettingsError: it cannot be read, or an entry is not what its place asks for.

    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        if document["format_version"] != FORMAT_VERSION:
            raise SettingsError(f"{path}: format_version is {document['format_version']}; this reads {FORMAT_VERSION}")
        return Wording(
            replica=tuple(_replica(document)),
            negations_before=phrases(document["negations"]["before"]),
            negations_after=phrases(document["negations"]["after"]),
            common=_common(document),
            fits=phrases(document["fits"]),
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"{path}: is not a wording file as its head describes: {error!r}") from error


def phrases(texts: Any) -> tuple[Phrase, ...]:
    """Fold a list of phrases. Raises ValueError when it is none, or one of them says nothing."""
    if not isinstance(texts, list) or not all(isinstance(text, str) and fold(text) for text in texts):
        raise ValueError(f"{texts!r} is not a list of phrases (quote numbers, yes and no)")
    return tuple(fold(text) for text in texts)


def _replica(document: Mapping[str, Any]) -> Iterator[ReplicaPhrase]:
    innocent: dict[Phrase, tuple[Phrase, ...]] = {}
    for rule in document["innocent"]:
        for words in phrases(rule["phrases"]):
            innocent[words] = innocent.get(words, ()) + phrases(rule["near"])
    for language, by_certainty in document["replica"].items():
        for certainty, texts in by_certainty.items():
            for words in phrases(texts):
                yield ReplicaPhrase(words, language, Certainty(certainty), innocent.get(words, ()))


def _common(document: Mapping[str, Any]) -> dict[Phrase, CommonWord]:
    contexts = {name: frozenset(w for p in phrases(texts) for w in p) for name, texts in document["contexts"].items()}
    common: dict[Phrase, CommonWord] = {}
    for name, texts in document["common_words"].items():
        context = frozenset() if name in {"none", "claimed"} else contexts[name]
        for words in phrases(texts):
            known = common.get(words, CommonWord(frozenset(), only_claimed=False))
            only_claimed = known.only_claimed or name == "claimed"
            common[words] = CommonWord(known.context | context, only_claimed=only_claimed)
    return common
