"""What may stand in a taxonomy file? Reads one into frozen leaves and refuses what breaks the rules in its head.

Every complaint names the file and the entry. `vision.taxonomy` puts the content to use.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from vision.category_words import key, words
from vision.errors import TaxonomyError

FORMAT_VERSION = 1
MOST_LEVELS = 3
LANGUAGES = ("en", "de", "fr", "es", "zh")

_LEVEL = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LEAF_KEYS = {"path", "noun", "risk", "prompts", *LANGUAGES}

CategoryPath = tuple[str, ...]


class Risk(enum.StrEnum):
    """How often goods of a category are counterfeited."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One leaf category. `noun` is what a person calls one such product; `prompts` suit text-image models.

    `synonyms` are the words by which sellers name it, by language.
    """

    path: CategoryPath
    noun: str
    risk: Risk
    synonyms: Mapping[str, tuple[str, ...]]
    prompts: tuple[str, ...]

    @property
    def name(self) -> str:
        """The path as people write it: "fashion > shoes > sneakers"."""
        return " > ".join(self.path)


@dataclass(frozen=True)
class TaxonomyContent:
    """What a file says: leaves in its order, words for groups, and modifiers that narrow without changing."""

    leaves: tuple[Leaf, ...]
    groups: Mapping[CategoryPath, tuple[str, ...]]
    modifiers: tuple[str, ...]


def read(source: Path) -> TaxonomyContent:
    """Read and check a taxonomy file.

    Raises:
        TaxonomyError: it cannot be read, or an entry breaks a rule.

    """
    try:
        document = yaml.load(source.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TaxonomyError(f"{source}: cannot be read as a YAML taxonomy: {error}") from error
    check = _Checker(source)
    top = check.mapping(document, "the file", {"format_version", "modifiers", "groups", "leaves"})
    if top.get("format_version") != FORMAT_VERSION:
        raise check.error("format_version", f"is {top.get('format_version')!r}; this version reads {FORMAT_VERSION}")
    leaves = tuple(check.leaf(entry, place) for place, entry in enumerate(check.entries(top.get("leaves"), "leaves")))
    check.tree(leaves)
    check.one_meaning(leaves)
    groups = check.mapping(top.get("groups") or {}, "groups", None)
    modifiers = check.mapping(top.get("modifiers") or {}, "modifiers", set(LANGUAGES))
    return TaxonomyContent(
        leaves=leaves,
        groups=MappingProxyType({check.group(name, leaves): check.texts(v, name) for name, v in groups.items()}),
        modifiers=tuple(text for name, texts in modifiers.items() for text in check.texts(texts, f"modifiers {name}")),
    )


class _Checker:
    """The rules of the file, each refusal with the file's name and the entry's."""

    def __init__(self, source: Path) -> None:
        self._source = source

    def error(self, entry: str, message: str) -> TaxonomyError:
        return TaxonomyError(f"{self._source}: {entry}: {message}")

    def mapping(self, value: Any, entry: str, allowed: set[str] | None) -> dict[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.error(entry, f"must be a mapping with text keys, is {type(value).__name__}")
        if allowed is not None and (unknown := sorted(value.keys() - allowed)):
            raise self.error(entry, f"unknown key {unknown[0]!r}; allowed are {', '.join(sorted(allowed))}")
        return value

    def entries(self, value: Any, entry: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise self.error(entry, "must be a list with at least one entry")
        return value

    def texts(self, value: Any, entry: str) -> tuple[str, ...]:
        for text in self.entries(value, entry):
            if not isinstance(text, str) or not words(text):
                raise self.error(entry, f"{text!r} is not a word or phrase (quote numbers, yes and no)")
        return tuple(value)

    def path(self, value: Any, entry: str) -> CategoryPath:
        if not isinstance(value, str) or not value.strip():
            raise self.error(entry, 'has no path; write path: "top > middle > leaf"')
        levels = tuple(level.strip() for level in value.split(">"))
        for level in levels:
            if not _LEVEL.fullmatch(level):
                raise self.error(value, f"level {level!r} must be lower-case words joined by hyphens")
        if len(levels) > MOST_LEVELS:
            raise self.error(value, f"has {len(levels)} levels; at most {MOST_LEVELS} are allowed")
        if len(set(levels)) < len(levels):
            raise self.error(value, "is a cycle: a level stands above itself")
        return levels

    def leaf(self, value: Any, place: int) -> Leaf:
        fields = self.mapping(value, f"leaves[{place}]", _LEAF_KEYS)
        path = self.path(fields.get("path"), f"leaves[{place}]")
        name = " > ".join(path)
        if len(path) < 2:
            raise self.error(name, "a leaf needs a level above it")
        noun = fields.get("noun")
        if not isinstance(noun, str) or not noun.strip():
            raise self.error(name, "has no noun; write what a person calls one such product")
        if fields.get("risk") not in tuple(Risk):
            raise self.error(name, f"risk is {fields.get('risk')!r}; allowed are {', '.join(Risk)}")
        synonyms = {tongue: self.texts(fields[tongue], f"{name} {tongue}") for tongue in LANGUAGES if tongue in fields}
        prompts = self.texts(fields["prompts"], f"{name} prompts") if "prompts" in fields else (noun,)
        risk = Risk(fields["risk"])
        return Leaf(path=path, noun=noun, risk=risk, synonyms=MappingProxyType(synonyms), prompts=prompts)

    def tree(self, leaves: Iterable[Leaf]) -> None:
        """No path twice, and no leaf that is also a group of others."""
        seen: set[CategoryPath] = set()
        for leaf in leaves:
            if leaf.path in seen:
                raise self.error(leaf.name, "stands twice; every path must be unique")
            seen.add(leaf.path)
        for path in seen:
            for level in range(1, len(path)):
                if path[:level] in seen:
                    raise self.error(" > ".join(path[:level]), f"is a leaf and also a group of {' > '.join(path)}")

    def one_meaning(self, leaves: Iterable[Leaf]) -> None:
        """No word of one language in two leaves."""
        owners: dict[tuple[str, str], Leaf] = {}
        for leaf in leaves:
            for language, spellings in leaf.synonyms.items():
                own = (leaf.noun, leaf.path[-1]) if language == "en" else ()
                for spelling in (*own, *spellings):
                    owner = owners.setdefault((language, key(words(spelling))), leaf)
                    if owner is not leaf:
                        raise self.error(leaf.name, f"{language} word {spelling!r} belongs to {owner.name} already")

    def group(self, name: str, leaves: Iterable[Leaf]) -> CategoryPath:
        path = self.path(name, "groups")
        if not any(leaf.path[: len(path)] == path and leaf.path != path for leaf in leaves):
            raise self.error(f"groups {name}", "no leaf stands under it")
        return path
