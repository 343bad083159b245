"""New, used or broken? The seller's free words for the condition of the goods, brought to one of six.

`index.pricing` compares prices only after the condition is known: half the usual price is usual for used goods. The
words stand in a readable file (index/data/conditions.yaml) that is read from top to bottom.
"""

from __future__ import annotations

import enum
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

import yaml

from index.names import normalise_name

_UNSPACED = re.compile("[\u3400-\u9fff]")
_PUNCTUATION = re.compile(r"[^\w\s]|_")


class Condition(enum.StrEnum):
    """The condition of goods, as far as prices tell them apart."""

    NEW = "new"
    LIKE_NEW = "like_new"
    REFURBISHED = "refurbished"
    USED = "used"
    FOR_PARTS = "for_parts"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ConditionWords:
    """The data file: the first pattern that occurs decides; `shares` are of the price of new goods, above 0."""

    rules: tuple[tuple[re.Pattern[str], Condition], ...]
    shares: Mapping[Condition, float]

    def read(self, words: str) -> Condition:
        """Return the condition that a seller's words state: "never worn, with tag" is NEW, "" is UNKNOWN."""
        text = _plain(words)
        return next((condition for pattern, condition in self.rules if pattern.search(text)), Condition.UNKNOWN)


@functools.cache
def condition_words() -> ConditionWords:
    """Return the rules that Touchstone ships with."""
    content = yaml.safe_load((resources.files("index") / "data" / "conditions.yaml").read_text(encoding="utf-8"))
    rules = tuple((_pattern(rule["phrases"]), Condition(rule["condition"])) for rule in content["rules"])
    shares = {Condition(name): float(share) for name, share in content["usual_share_of_new_price"].items()}
    return ConditionWords(rules, MappingProxyType(shares))


def _pattern(languages: list[list[str]]) -> re.Pattern[str]:
    phrases = (re.escape(_plain(str(phrase))) for phrases in languages for phrase in phrases)
    return re.compile("|".join(p if _UNSPACED.search(p) else rf"(?<!\w){p}(?!\w)" for p in phrases))


def _plain(words: str) -> str:
    return normalise_name(_PUNCTUATION.sub(" ", words))
