"""Which brand's name is this word a misspelling of? Edit distance, letters and sound. Part of `words.wording`.

The shorter a name, the more words are one edit away by chance, so the less is allowed; docs/wording.md says what that
costs and what it saves.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import jellyfish
from rapidfuzz import process
from rapidfuzz.distance import OSA

from serving.findings import LookAlikeMethod

SHORTEST_WORD: Final = 5
"""Letters of the shortest word that may be a misspelling: of four-letter words, everything is one edit from another."""

# Letters of the shortest name in which ...
_ALIKE_SOUND = 5  # ... i for y, c for k and s for z
_ALIKE_SHAPE = 6  # ... letters that look or sound alike, and two neighbours that changed places
_ANY_EDIT = 7  # ... one edit of any kind
_SAME_SOUND = 8  # ... two, where it sounds the same
_ANY_TWO = 10  # ... any two, but for a word that goes on where the name ends, or ends before it

_SOUND = frozenset(map(frozenset, ("iy", "ck", "sz")))
_SHAPE = _SOUND | frozenset(
    map(frozenset, ("bd", "pq", "mn", "uv", "il", "gq", "fv", "vw", "ce", "oq", "ij", "gj", "cs", "dt", "bp", "kq"))
)


@dataclass(frozen=True)
class Misspelling:
    """What a word imitates: the name as it is looked up, its distance in edits (OSA), and how they are alike."""

    name: str
    distance: int
    method: LookAlikeMethod


class SpellingTable:
    """Names, run together in small letters a to z. Immutable; a look-up takes tens of microseconds for 20,000 names.

    OSA counts a letter put in, left out, exchanged, or changed places with its neighbour. The first letter is the
    same, c and k apart: hardly anybody gets it wrong, and whoever imitates a name keeps it.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._near: dict[tuple[str, int], list[str]] = defaultdict(list)  # by first letter and length of the word
        self._squeezed: dict[str, list[str]] = defaultdict(list)
        for name in dict.fromkeys(names):
            if name.isascii() and name.isalpha() and len(name) >= SHORTEST_WORD - 1:
                self._squeezed[_squeezed(name)].append(name)
                reach = 2 if len(name) >= _SAME_SOUND else 1
                for length in range(len(name) - reach, len(name) + reach + 1):
                    self._near[_first(name), length].append(name)

    def find(self, word: str, *, accept: Callable[[str], bool] = lambda _: True) -> Misspelling | None:
        """Find the nearest name that `word` misspells; None where there is none, or two are equally near."""
        if len(word) < SHORTEST_WORD or not (word.isascii() and word.isalpha()):
            return None
        found = sorted((one for one in self._likely(word) if accept(one.name)), key=lambda one: one.distance)
        if not found or (len(found) > 1 and found[0].distance == found[1].distance):
            return None
        return found[0]

    def _likely(self, word: str) -> Iterator[Misspelling]:
        doubled = [name for name in self._squeezed.get(_squeezed(word), ()) if name != word]
        for name in doubled:
            yield Misspelling(name, OSA.distance(word, name), LookAlikeMethod.SPELLING)
        near = self._near.get((_first(word), len(word)), ())
        for name, distance, _ in process.extract(word, near, scorer=OSA.distance, score_cutoff=2, limit=None):
            method = _method(word, name, distance) if name not in doubled else None
            if method is not None:
                yield Misspelling(name, distance, method)


def _method(word: str, name: str, distance: int) -> LookAlikeMethod | None:
    """Say how `word` is like `name`, `distance` edits away; None when it may be so by chance."""
    length = len(name)
    if distance == 1 and (length >= _ANY_EDIT or _mild(word, name)):
        return LookAlikeMethod.SPELLING
    if distance == 2 and length >= _ANY_TWO and not word.startswith(name) and not name.startswith(word):
        return LookAlikeMethod.SPELLING
    if distance == 2 and length >= _SAME_SOUND and jellyfish.metaphone(word) == jellyfish.metaphone(name):
        return LookAlikeMethod.SOUND
    return None


def _mild(word: str, name: str) -> bool:
    """Tell whether the one edit between them is of the kind that does for a name of this length."""
    if len(word) != len(name):
        return False
    differing = [frozenset(pair) for pair in zip(word, name, strict=True) if pair[0] != pair[1]]
    if len(name) < _ALIKE_SHAPE:
        return len(name) >= _ALIKE_SOUND and differing[0] in _SOUND and len(differing) == 1
    return differing[0] in _SHAPE or len(differing) == 2  # two neighbours that changed places


def _squeezed(word: str) -> str:
    """Write double letters once."""
    return "".join(letter for letter, _ in itertools.groupby(word))


def _first(word: str) -> str:
    return "c" if word[0] == "k" else word[0]
