"""Which brand does a line of writing name? Known brands by every spelling, for words that were read off a photo.

A reader (`vision.reading`) runs words together, drops accents and signs, and now and then gets a letter wrong. Nothing
around such words vouches for a name, as it does in a listing's text, which is `serving.words.lexicon`'s.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from index.names import normalise_name
from index.records import Brand

# Fewer letters name nothing: two are read into any ornament. A sign of Chinese or Japanese holds more than a letter.
_FEWEST, _FEWEST_SIGNS = 3, 2
# A name of fewer letters is met only as it is: one wrong letter turns "Ford" into "Food".
_FEWEST_NEAR = 5
# The name must be this share of a line's letters: "adidas originals" names it, a sentence or an address does not.
_LEAST_SHARE = 0.4
# What is read of a mark whose ends are cut off or covered: "ike", "RedBu". Fewer letters are a piece of too many names.
_FEWEST_OF_PIECE, _LEAST_PIECE = 3, 0.6
_ANY = "\0"  # stands for one letter, whichever
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, kw_only=True)
class Named:
    """A brand that a line names; `exact` unless one letter is off, or the name is an everyday word as well.

    Such a word alone is not `distinct`: it means something else more often than the brand.
    """

    brand: Brand
    exact: bool
    distinct: bool = True


class NameTable:
    """Brands by every spelling. Immutable; a look-up takes microseconds, however many brands there are.

    Of brands that share a spelling, the one of that name goes before those with it as an alias, then the first. A
    spelling that is one of the `everyday` words must be the whole line, letter by letter, and even so is not `exact`:
    "Red" on a box is seldom the brand of that name.
    """

    def __init__(self, brands: Iterable[Brand], *, everyday: Iterable[str] = ()) -> None:
        known = list(brands)
        self._everyday = frozenset(map(_letters, everyday))
        spellings = [(brand.name, brand) for brand in known]
        spellings += [(alias, brand) for brand in known for alias in brand.aliases]
        self._exact: dict[str, Brand] = {}
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        for spelling, brand in spellings:
            name = _letters(spelling)
            if _long_enough(name):
                self._exact.setdefault(name, brand)
                self._names[brand.brand_id].add(name)
        self._near: dict[str, Brand | None] = {}  # None where two brands are equally near
        for name, brand in self._exact.items():
            if len(name) >= _FEWEST_NEAR and name not in self._everyday:
                for other in {*_with_any(name), *_without_one(name)}:
                    self._near[other] = brand if self._near.get(other, brand) == brand else None

    def find(self, line: str) -> Named | None:
        """Find the brand that `line` names: as it is, as the larger part of it, or all but one letter.

        "Red Bul" is nearer to Red Bull than to a brand called Red.
        """
        letters = _letters(line)
        if letters in self._exact:
            distinct = letters not in self._everyday
            return Named(brand=self._exact[letters], exact=distinct, distinct=distinct)
        near = self._nearest(letters)
        part = next((self._exact[one] for one in _parts(line) if self._distinct(one)), None)
        if part is not None and near in (None, part):
            return Named(brand=part, exact=True)
        return Named(brand=near, exact=False) if near else None

    def holds(self, line: str, brand_id: str) -> bool:
        """Tell whether `line` may be a piece of a name of that brand: most of its letters, in their order."""
        read = _letters(line)
        if len(read) < _FEWEST_OF_PIECE or read in self._everyday:
            return False
        names = self._names.get(brand_id, ())
        return any(read in name and len(read) >= _LEAST_PIECE * len(name) for name in names)

    def _nearest(self, read: str) -> Brand | None:
        """Find the one brand whose name is a single letter off; None when there is none or more than one."""
        wrong_or_missing = (self._near[other] for other in (*_with_any(read), read) if other in self._near)
        too_many = (
            self._exact[name] for name in _without_one(read) if len(name) >= _FEWEST_NEAR and self._distinct(name)
        )
        found = {brand.brand_id if brand else None: brand for brand in (*wrong_or_missing, *too_many)}
        return next(iter(found.values())) if len(found) == 1 else None

    def _distinct(self, name: str) -> bool:
        """Tell whether a name is a brand's and nothing else."""
        return name in self._exact and name not in self._everyday


def _letters(text: str) -> str:
    """Level a name and leave letters and digits only: "Coca-Cola®" becomes "cocacola"."""
    return "".join(sign for sign in normalise_name(text) if sign.isalnum())


def _long_enough(name: str) -> bool:
    return len(name) >= (_FEWEST if name.isascii() else _FEWEST_SIGNS)


def _parts(line: str) -> Iterator[str]:
    """Yield the letters of each run of the line's words that is a large enough share of it, longest first."""
    words = _WORD.findall(normalise_name(line))
    least = _LEAST_SHARE * sum(map(len, words))
    for length in range(len(words) - 1, 0, -1):
        for start in range(len(words) - length + 1):
            part = "".join(words[start : start + length])
            if len(part) >= least:
                yield part


def _with_any(name: str) -> Iterator[str]:
    """Yield the name with any one letter left open."""
    return (name[:place] + _ANY + name[place + 1 :] for place in range(len(name)))


def _without_one(name: str) -> Iterator[str]:
    """Yield the name with any one letter missing."""
    return (name[:place] + name[place + 1 :] for place in range(len(name)))
