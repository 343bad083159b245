"""Which brands do the words in the photos name? The read stage of a listing's way through, after verification.

Reading costs as much as half an embedding, so photos in which a brand is seen beyond doubt are left out, and of the
others only the part that the finder takes for a mark most likely is read. What a name counts for beside the embedding
is the calibration's (`serving.matching.judge`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.findings import Reading, VisualMatch
from serving.knowledge import Knowledge
from serving.matching import NOTHING_READ, Candidate, Line, Readings
from serving.visual import Photo, Regions
from vision.reading import Words
from vision.regions import Box, Region, crop

SETTLED = 0.9
"""Probability from which a match leaves nothing to read in its photo."""

# Letters and digits from which a line is a word, and none of the signs that are read into ornaments.
_FEWEST_OF_WORD = 3

# Regions carry a little of their surroundings; with this much more a finder's box is grown by half, as `vision.reading`
# was tried on.
_FURTHER = 0.25


@dataclass(frozen=True)
class _Part:
    """The part of photo `image_index` that is read: what surrounds the box of a region."""

    image_index: int
    box: Box


def read_names(
    photos: Sequence[Photo],
    regions: Regions,
    candidates: Sequence[Candidate],
    seen: Sequence[VisualMatch],
    embedder: BatchingEmbedder,
    known: Knowledge,
    deadline: Deadline,
) -> Readings:
    """Read the likeliest mark of every photo in which no match of `seen` is settled, and find the brands named there.

    A name that is not read exactly must be a candidate's: it supports what the embedding saw, and proposes nothing. So
    does a piece of a candidate's name.

    Raises:
        Overloaded, DeadlineExceeded: as `BatchingEmbedder.read`.
        ModelError: from the reader.

    """
    if not candidates and not known.catalogue.brand_count:  # whatever is read names nothing that could be shown
        return NOTHING_READ
    parts = _parts(photos, regions, settled={match.image_index for match in seen if match.probability >= SETTLED})
    pixels = {photo.index: photo.image.pixels for photo in photos}
    crops = [crop(pixels[part.image_index], part.box.grown(_FURTHER)) for part in parts]
    lines = embedder.read(crops, deadline=deadline)
    proposed = {candidate.match.brand_id for candidate in candidates}
    found = [*_readings(parts, lines, known), *_pieces(parts, lines, known, proposed)]
    of_brand: dict[str, Reading] = {}
    named: dict[str, Candidate] = {}
    for brand_id, reading in sorted(found, key=_surest_first):
        if brand_id in of_brand or not (reading.exact or brand_id in proposed):
            continue
        if brand_id not in proposed:
            match = known.catalogue.match_of(brand_id, regions.vectors, photos=regions.photos)
            if match is None:  # no reference stands for the brand, so there is nothing to show a person
                continue
            named[brand_id] = Candidate(image_index=reading.image_index, region=reading.box, match=match)
        of_brand[brand_id] = reading
    return Readings(of_brand=of_brand, named=tuple(named.values()), lines=tuple(_written(parts, lines)))


def _parts(photos: Sequence[Photo], regions: Regions, *, settled: set[int]) -> list[_Part]:
    """Choose what to read: of each photo that is not settled, the region that is a mark most likely."""
    likeliest: dict[int, Region] = {}
    for image_index, region in regions.places[regions.photos :]:  # behind the photos' middles
        if image_index not in likeliest or region.confidence > likeliest[image_index].confidence:
            likeliest[image_index] = region
    unsettled = [photo.index for photo in photos if photo.index not in settled]
    return [_Part(index, likeliest[index].box) for index in unsettled if index in likeliest]


def _readings(
    parts: Sequence[_Part], lines: Iterable[Sequence[Words]], known: Knowledge
) -> Iterable[tuple[str, Reading]]:
    """Yield the brands that lines name, by id, each with the line."""
    for part, read in zip(parts, lines, strict=True):
        for words in read:
            found = known.names.find(words.text)
            if found is not None:
                yield found.brand.brand_id, _reading(part, words, exact=found.exact)


def _pieces(
    parts: Sequence[_Part], lines: Iterable[Sequence[Words]], known: Knowledge, proposed: Iterable[str]
) -> Iterable[tuple[str, Reading]]:
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
