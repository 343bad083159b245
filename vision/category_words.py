"""When do two ways of writing a category mean the same? The spelling rules under `vision.taxonomy`.

"Hand-Bags", "handbag" and "HAND BAG" come down to the same key. Case, accents, hyphens, blanks and plain plurals never
tell two leaves apart; word order does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_SEGMENTS = re.compile(r"\s*(?:>+|›|»|→|/|\\|\||::?|：)\s*")
_POSSESSIVE = re.compile(r"['’`´]s\b")
_WORD = re.compile(r"[^\W_]+")
_JOINS = frozenset({"and", "und", "et", "y", "e", "or", "oder", "ou", "o"})
_CJK = re.compile(r"[㐀-鿿]")
_LONGEST_MODIFIER = 3

Words = tuple[str, ...]
"""Normalised words of one phrase, plural endings taken off."""


def segments(declared: str) -> list[str]:
    """Split a declared category at the marks that sellers and feeds put between levels: > / | : and their like."""
    return [part for part in _SEGMENTS.split(declared) if part.strip()]


def words(phrase: str) -> Words:
    """Normalise a phrase: compatibility forms folded, no case, no accents, no possessive, no plain plural."""
    folded = unicodedata.normalize("NFKD", phrase).casefold().replace("œ", "oe").replace("æ", "ae")
    folded = "".join(char for char in folded if not unicodedata.combining(char))
    folded = _POSSESSIVE.sub("", folded)
    folded = re.sub(r"[&+,、，]", " and ", folded)
    return tuple(_singular(word) for word in _WORD.findall(folded))


def key(phrase: Words) -> str:
    """Where the blanks stand does not matter: ("t", "shirt") and ("tshirt",) share a key."""
    return "".join(phrase)


def parts(phrase: Words) -> list[Words]:
    """Split "hats and caps" at its joining words; a phrase without one comes back whole, as the only part."""
    found: list[list[str]] = [[]]
    for word in phrase:
        if word in _JOINS:
            found.append([])
        else:
            found[-1].append(word)
    return [tuple(part) for part in found if part]


class Modifiers:
    """Words that narrow a category without changing it: taken off either end, never out of the middle."""

    def __init__(self, phrases: Iterable[str]) -> None:
        spelled = [words(phrase) for phrase in phrases]
        self._phrases = frozenset(spelled)
        self._run_on = sorted((key(phrase) for phrase in spelled if _CJK.search(key(phrase))), key=len, reverse=True)

    def strip(self, phrase: Words) -> Words:
        """Take modifiers off both ends; nothing is left of a phrase that only modifies."""
        while phrase:
            shorter = self._strip_once(phrase)
            if shorter == phrase:
                break
            phrase = shorter
        return phrase

    def _strip_once(self, phrase: Words) -> Words:
        for length in range(min(_LONGEST_MODIFIER, len(phrase)), 0, -1):
            if phrase[:length] in self._phrases:
                return phrase[length:]
            if phrase[-length:] in self._phrases:
                return phrase[:-length]
        if _CJK.search(phrase[0]):
            for modifier in self._run_on:
                if phrase[0].startswith(modifier):
                    return (phrase[0].removeprefix(modifier), *phrase[1:])
        if _CJK.search(phrase[-1]):
            for modifier in self._run_on:
                if phrase[-1].endswith(modifier):
                    return (*phrase[:-1], phrase[-1].removesuffix(modifier))
        return phrase


def _singular(word: str) -> str:
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1]
