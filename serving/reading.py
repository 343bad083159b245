"""Which brands do the words in the photos name? The read stage of a listing's way through, after verification.

Reading costs as much as half an embedding, so photos in which a brand is seen beyond doubt are left out. Of the others
the part that the finder takes for a mark most likely is read. Where it names nothing, what is written around it is read
if it is round, else the next likeliest part. What a name counts for beside the embedding is the calibration's
(`serving.matching.judge`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.named import Named
from index.names import normalise_name
from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.findings import Reading, VisualMatch
from serving.knowledge import Knowledge
from serving.matching import NOTHING_READ, Line, Readings
from serving.verifying import Candidate
from serving.visual import Photo, Regions
from vision.reading import Words
from vision.regions import Box, Region, crop
from vision.roundels import upper_rim
from vision.vocabulary import everyday_words

SETTLED = 0.99
"""Probability from which a match leaves nothing to read in its photo.

A wrong brand verified by nine points comes to 0.98, and the right one's name stands beside it: on photos of
FlickrLogos-27's references 0.9 names 1 point less by clean marks alone, and 0.999 no more.
"""

# Letters and digits from which a line is a word, and none of the signs that are read into ornaments.
_FEWEST_OF_WORD = 3

# Parts of a photo that are read, one after the other until a brand is named, each if the finder is so sure of it. On
# photos of FlickrLogos-27's references the second names 2 points more by clean marks alone. Most of the second ones
# have a confidence below 0.35, and what is read there names nothing; of the first ones of ordinary goods a quarter have
# one below 0.25, of photos of FlickrLogos-27 with a brand 2 in 100, and no figure of theirs changes.
_WORTH_READING = (0.25, 0.35)

# A name with a letter wrong proposes its brand if so many letters were read, and they are no word: "Goegle" is Google,
# but "Pump" is not Puma. Clean marks alone name 2 points more so, and a reading of fewer letters is seldom one.
_FEWEST_PROPOSING = 5

# Regions carry a little of their surroundings; with this much more a finder's box is grown by half, as `vision.reading`
# was tried on.
_FURTHER = 0.25


class _Read(Protocol):
    """A way of reading: `BatchingEmbedder.read`, or `read_rims`."""

    def __call__(self, crops: Sequence[NDArray[np.uint8]], /, *, deadline: Deadline) -> list[tuple[Words, ...]]:
        """Read each crop."""


@dataclass(frozen=True, eq=False)
class _Part:
    """The part of photo `image_index` that is read: `crop`, uint8 [H, W, 3], what surrounds the `box` of a region."""

    image_index: int
    box: Box
    crop: NDArray[np.uint8]


def read_names(
    photos: Sequence[Photo],
    regions: Regions,
    candidates: Sequence[Candidate],
    seen: Sequence[VisualMatch],
    embedder: BatchingEmbedder,
    known: Knowledge,
    deadline: Deadline,
) -> Readings:
    """Read the likeliest marks of every photo in which no match of `seen` is settled, and find the brands named there.

    A name with a letter wrong proposes a brand only where it can hardly be anything else. A piece of a name must be a
    candidate's: it supports what the embedding saw.

    Raises:
        Overloaded, DeadlineExceeded: as `BatchingEmbedder.read`.
        ModelError: from the reader.

    """
    if not candidates and not known.catalogue.brand_count:  # whatever is read names nothing that could be shown
        return NOTHING_READ
    proposed = {candidate.match.brand_id for candidate in candidates}
    done = {match.image_index for match in seen if match.probability >= SETTLED}
    found: list[tuple[str, Reading]] = []
    written: list[Line] = []

    def take(parts: Sequence[_Part], read: _Read) -> Sequence[tuple[Words, ...]]:
        lines = read([part.crop for part in parts], deadline=deadline)
        named = [*_names(parts, lines, known, proposed), *_pieces(parts, lines, known, proposed)]
        done.update(reading.image_index for _, reading in named)
        found.extend(named)
        return lines

    marks = _likeliest_first(regions)
    first = _parts(photos, marks, 0, done)
    written += _written(first, take(first, embedder.read))
    rims = _rims(part for part in first if part.image_index not in done)
    # What else stands around a mark, a trade or a motto, fills no region, so it speaks against no brand.
    take(rims, embedder.read_rims)
    done.update(part.image_index for part in rims)
    second = _parts(photos, marks, 1, done)
    written += _written(second, take(second, embedder.read))
    of_brand: dict[str, Reading] = {}
    only_named: dict[str, Candidate] = {}
    for brand_id, reading in sorted(found, key=_surest_first):
        if brand_id in of_brand:
            continue
        if brand_id not in proposed:
            match = known.catalogue.match_of(brand_id, regions.vectors, photos=regions.photos)
            if match is None:  # no reference stands for the brand, so there is nothing to show a person
                continue
            only_named[brand_id] = Candidate(image_index=reading.image_index, region=reading.box, match=match)
        of_brand[brand_id] = reading
    return Readings(of_brand=of_brand, named=tuple(only_named.values()), lines=tuple(written))


def _likeliest_first(regions: Regions) -> Mapping[int, Sequence[Region]]:
    """Give each photo's marks by its place, the one that the finder is surest of first."""
    found: defaultdict[int, list[Region]] = defaultdict(list)
    for image_index, region in regions.places[regions.photos :]:  # behind the photos' middles
        found[image_index].append(region)
    for regions_of_photo in found.values():
        regions_of_photo.sort(key=lambda region: -region.confidence)
    return found


def _rims(parts: Iterable[_Part]) -> list[_Part]:
    """Lay the rims of those parts flat that are round."""
    rims = ((part, upper_rim(part.crop)) for part in parts)
    return [replace(part, crop=rim) for part, rim in rims if rim is not None]


def _parts(
    photos: Sequence[Photo], found: Mapping[int, Sequence[Region]], rank: int, done: Collection[int]
) -> list[_Part]:
    """Cut the likeliest mark, or the one of that rank, out of each photo that is not `done`, if it is likely enough."""
    return [
        _Part(photo.index, region.box, crop(photo.image.pixels, region.box.grown(_FURTHER)))
        for photo in photos
        if photo.index not in done
        for region in found[photo.index][rank : rank + 1]
        if region.confidence >= _WORTH_READING[rank]
    ]


def _names(
    parts: Sequence[_Part], lines: Iterable[Sequence[Words]], known: Knowledge, proposed: Collection[str]
) -> Iterator[tuple[str, Reading]]:
    """Yield the brands that lines name, by id, each with the line."""
    for part, read in zip(parts, lines, strict=True):
        for words in read:
            found = known.names.find(words.text)
            if found is not None and (found.brand.brand_id in proposed or _unmistakable(found, words)):
                yield found.brand.brand_id, _reading(part, words, exact=found.exact)


def _unmistakable(found: Named, words: Words) -> bool:
    """Tell whether words mean the brand, whatever the photo looks like."""
    letters = "".join(filter(str.isalnum, normalise_name(words.text)))
    misread = len(letters) >= _FEWEST_PROPOSING and letters not in everyday_words()
    return found.exact or (found.distinct and misread)


def _pieces(
    parts: Sequence[_Part], lines: Iterable[Sequence[Words]], known: Knowledge, proposed: Collection[str]
) -> Iterator[tuple[str, Reading]]:
    """Yield the candidates, by brand, of whose names lines are a piece, each with the line."""
    for part, read in zip(parts, lines, strict=True):
        for words in read:
            for brand_id in proposed:
                if known.names.holds(words.text, brand_id):
                    yield brand_id, _reading(part, words, exact=False)


def _written(parts: Sequence[_Part], lines: Iterable[Sequence[Words]]) -> Iterable[Line]:
    """Yield what is written in each part, as far as it is words: whatever region it fills shows no other brand's."""
    for part, read in zip(parts, lines, strict=True):
        sure = [words.confidence for words in read if sum(map(str.isalnum, words.text)) >= _FEWEST_OF_WORD]
        if sure:
            yield Line(image_index=part.image_index, box=part.box, confidence=max(sure))


def _reading(part: _Part, words: Words, *, exact: bool) -> Reading:
    return Reading(
        image_index=part.image_index, box=part.box, text=words.text, confidence=words.confidence, exact=exact
    )


def _surest_first(named: tuple[str, Reading]) -> tuple[bool, float]:
    return not named[1].exact, -named[1].confidence
