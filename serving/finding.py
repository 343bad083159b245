"""What does somebody mean who asks for listings that look like this? A reference or an image, as vectors to compare.

A reference is compared as screening compares it: a mark with what may be marks in the photos, anything else with whole
photos. Of an image nobody said what it shows. Its cut-out part is a mark, which is why it was cut out; all of it may be
a photo of goods or a drawn mark, so both are looked for, and a listing counts by the better one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.listing_catalogue import ListingCatalogue
from index.listings import ListingMatch, ListingWhere
from index.records import Reference
from serving.batching import BatchingEmbedder
from serving.deadline import NEVER, Deadline
from serving.gathering import MATCHED
from serving.verifying import SHOWN
from serving.visual import SURROUNDINGS
from vision.calibration import MatchCalibration, Shown
from vision.regions import Box, crop, middle


@dataclass(frozen=True, eq=False)
class Look:
    """Views of one thing, float32 [n, dim] unit rows, to be compared with marks or with whole photos.

    `at_least` is the cosine from which on a listing counts.
    """

    vectors: NDArray[np.float32]
    marks: bool
    at_least: float


def looks_of_reference(
    reference: Reference, views: NDArray[np.float32], calibration: MatchCalibration, *, at_least: float | None
) -> tuple[Look, ...]:
    """Say how a reference is looked for; without `at_least`, from where screening says that it matches."""
    least = least_similarity(calibration, SHOWN[reference.kind]) if at_least is None else at_least
    return (Look(views, reference.shows_mark, least),)


def looks_of_image(
    pixels: NDArray[np.uint8],
    box: Box | None,
    embedder: BatchingEmbedder,
    calibration: MatchCalibration,
    *,
    at_least: float | None,
    deadline: Deadline,
) -> tuple[Look, ...]:
    """Say how an image, uint8 [H, W, 3], or the part of it in `box` is looked for."""

    def least(shown: Shown) -> float:
        return least_similarity(calibration, shown) if at_least is None else at_least

    if box is not None:
        cuts = [crop(pixels, box), crop(pixels, box.grown(SURROUNDINGS))]
        return (Look(embedder.embed_marks(cuts, deadline=deadline), True, least(Shown.EXAMPLE)),)
    return (
        Look(embedder.embed([middle(pixels)], deadline=deadline), False, least(Shown.PRODUCT)),
        Look(embedder.embed_marks([pixels], deadline=deadline), True, least(Shown.MARK)),
    )


def least_similarity(calibration: MatchCalibration, shown: Shown) -> float:
    """Give the cosine from which on screening says `visual.matched`, with nothing verified and nothing read."""
    curve = calibration.curves[shown]
    return max(-1.0, min(1.0, (math.log(MATCHED / (1 - MATCHED)) - curve.bias) / curve.score))


def find_all(
    catalogue: ListingCatalogue,
    looks: tuple[Look, ...],
    *,
    most: int,
    where: ListingWhere,
    deadline: Deadline = NEVER,
) -> tuple[ListingMatch, ...]:
    """Find up to `most` listings by any of the looks, each by its best; the most similar first."""
    best: dict[str, ListingMatch] = {}
    check: Callable[[], None] = lambda: deadline.check("the catalogue was searched")  # noqa: E731
    for look in looks:
        for match in catalogue.find_listings(
            look.vectors, marks=look.marks, at_least=look.at_least, most=most, where=where, check=check
        ):
            known = best.get(match.listing_id)
            if known is None or match.similarity > known.similarity:
                best[match.listing_id] = match
    # Each list holds its own `most` best, so the union holds those of both; the sort leaves equals in their order.
    return tuple(sorted(best.values(), key=lambda match: -match.similarity)[:most])
