"""Where does a text imitate a brand's name? All ways to do so together, each place in the seller's own characters.

Part of `serving.words.wording`: names that `serving.words.tokens` saw through, disguises taken off
(`serving.words.disguise`), misspellings and turned names (`serving.words.look_alikes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from index.records import Brand
from serving.findings import LookAlikeMethod
from serving.words.disguise import Unmasked, in_foreign_letters
from serving.words.lexicon import BrandLexicon, BrandPlace
from serving.words.tokens import Text

# Letters of the shortest name that a disguise may hide: of three, any number plate has some.
_SHORTEST = 4


@dataclass(frozen=True)
class Imitation:
    """Characters `start`..`end` of a text imitate a brand's name, `distance` edits away."""

    brand: Brand
    start: int
    end: int
    method: LookAlikeMethod
    distance: int = 0


def find_imitations(
    text: Text,
    readings: Sequence[Unmasked],
    named: Sequence[BrandPlace],
    lexicon: BrandLexicon,
    *,
    claimed: Brand | None,
    context: frozenset[str],
) -> list[Imitation]:
    """Find what imitates a name in `text`, of each brand the first place.

    `readings` are the text without its disguises, and `named` the names that stand in it openly.
    """
    found = [*_foreign(text, named), *_disguised(readings, lexicon, claimed, context)]
    # A product line of one brand must not cover what imitates another.
    taken = {place for brand in named if not brand.is_keyword for place in range(brand.start, brand.end)}
    names = lexicon.look_alikes
    for place in (
        *names.places(text, taken=taken),
        *names.reversed_places(text, taken=taken),
        *names.dotted_places(text),
    ):
        found.append(Imitation(place.brand, *text.characters(place.start, place.end), place.method, place.distance))
    first: dict[str, Imitation] = {}
    for one in sorted(found, key=lambda one: one.start):
        first.setdefault(one.brand.brand_id, one)
    return list(first.values())


def _foreign(text: Text, named: Sequence[BrandPlace]) -> Iterator[Imitation]:
    by_place = {text.characters(place.start, place.end): place.brand for place in named if not place.fits}
    for start, end in in_foreign_letters(text.original, by_place):
        yield Imitation(by_place[start, end], start, end, LookAlikeMethod.LETTERS)


def _disguised(
    readings: Sequence[Unmasked], lexicon: BrandLexicon, claimed: Brand | None, context: frozenset[str]
) -> Iterator[Imitation]:
    for reading in readings:
        for place in lexicon.places(reading.text, claimed=claimed, context=context):
            letters = sum(map(len, reading.text.words[place.start : place.end]))
            if not place.fits and letters >= _SHORTEST and reading.covers(place.start, place.end):
                yield Imitation(place.brand, *reading.text.characters(place.start, place.end), reading.method)
