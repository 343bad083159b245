"""What of a screened listing is kept so that it can be found again? The regions that were searched, and their vectors.

A region is a whole photo or what may be a mark in one. Recording a decision keeps those of its listing
(`index.store.listings`); `index.region_index` and the backends hold them to be searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.listings import ListingWhere
from vision.regions import Box

# Photo and corners of a region, as they are stored.
_PLACE = np.dtype([("image", "<u2"), ("corners", "<f4", (4,))])
PLACE_BYTES = _PLACE.itemsize
# What vectors are stored as: a cosine moves by less than 1e-3.
STORED = np.dtype("<f2")


@dataclass(frozen=True)
class Place:
    """Where a region is: the position in the listing's images, from 0, and the part of that image."""

    image_index: int
    box: Box


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """Where a brand was seen in a listing's photos: the best match, with how likely it is really there, 0..1."""

    brand_id: str
    reference_id: str
    image_index: int
    box: Box
    probability: float


@dataclass(frozen=True, eq=False, kw_only=True)
class ListingRegions:
    """The regions of a listing, whole photos first.

    `marks` are the vectors of those after the first `photos`, float [n, dim]; the whole photos' vectors are kept with
    what else recognises a photo (`ListingImage.embedding`). `brand_ids` are the brands in the decision's evidence,
    `category_path` is the predicted category. `sightings` say where brands of those were seen, at most one for each.
    """

    places: tuple[Place, ...]
    photos: int
    marks: NDArray[np.float32]
    category_path: tuple[str, ...] = ()
    brand_ids: tuple[str, ...] = ()
    sightings: tuple[Sighting, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class ListingEntry:
    """A listing as an index takes it in: by its latest decision, the store's `number` of it.

    vectors: float32 [n, dim] with unit rows; the first `photos` are of whole photos, the others of marks.
    """

    listing_id: str
    number: int
    seller_id: str
    market: str
    screen_time: datetime
    category_path: tuple[str, ...]
    brand_ids: tuple[str, ...]
    photos: int
    vectors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RegionHits:
    """The most similar region of each of some decisions, most similar first, then by number.

    numbers: int64 [n], the decisions'. rows: int64 [n], positions among the listing's regions. scores: float32 [n],
    cosines. `complete`: there is nothing more that is similar enough.
    """

    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    complete: bool


class RegionIndex(Protocol):
    """Holds regions to be searched. Whatever is put or dropped twice is there, or gone, once."""

    def put(self, entries: Sequence[ListingEntry]) -> None:
        """Take listings in; what was held of earlier decisions on them goes."""

    def drop(self, listing_ids: Sequence[str]) -> None:
        """Let go of listings."""

    def search(
        self, vectors: NDArray[np.float32], *, marks: bool, at_least: float, most: int, where: ListingWhere
    ) -> RegionHits:
        """Find decisions with a region that similar to any vector, at least `most` of them unless there are fewer.

        vectors: float32 [n, dim] unit rows. `where` may be left to the caller: an answer may hold what does not fit.
        """

    def __len__(self) -> int:
        """Count the regions held, those that nobody asks for any more included."""


def pack_places(places: Sequence[Place]) -> bytes:
    """Write down where regions are: 18 bytes each."""
    rows = [(place.image_index, (place.box.x1, place.box.y1, place.box.x2, place.box.y2)) for place in places]
    return np.array(rows, _PLACE).tobytes()


def read_place(packed: bytes, row: int) -> Place:
    """Read where region `row` is."""
    place = np.frombuffer(packed, _PLACE, count=1, offset=row * PLACE_BYTES)[0]
    return Place(int(place["image"]), Box(*(float(corner) for corner in place["corners"])))


def unit_rows(stored: bytes, dim: int) -> NDArray[np.float32]:
    """Read stored vectors, float32 [n, dim], brought back to unit length after rounding."""
    vectors: NDArray[np.float32] = np.frombuffer(stored, STORED).reshape(-1, dim).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def ranked_hits(
    numbers: NDArray[np.int64], rows: NDArray[np.int64], scores: NDArray[np.float32], *, complete: bool
) -> RegionHits:
    """Keep each decision's best region, and put the decisions in order; of equals the earlier decision goes first."""
    order = np.lexsort((rows, numbers, -scores))
    _, first = np.unique(numbers[order], return_index=True)
    kept = order[np.sort(first)]
    return RegionHits(numbers[kept], rows[kept], scores[kept], complete)
