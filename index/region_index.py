"""Which regions of screened listings look like this, on one machine? Regions held in memory, by any `VectorIndex`.

A replaced listing's regions are masked at once and stay in memory until the index is built anew: `stale` says when that
is worth it. What filters ask is left to the caller (`index.listing_catalogue`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.backends import create_index
from index.errors import ListingIndexError
from index.listing_regions import ListingEntry, RegionHits, ranked_hits
from index.listings import ListingWhere
from index.region_spool import RegionColumns, RegionSpool, columns_of
from index.vectors import PADDING_ID

# Masked regions that nobody minds, and additions that a search compares one by one anyway.
_TOLERATED = 20_000
# Rows given to an index at a time: a third of a gigabyte with 1,280 values each.
_BLOCK_ROWS = 65_536
# Hits are asked for in growing lists until enough of them count.
_MORE = 4
_WORK = "listings"


class MemoryRegions:
    """A `RegionIndex` in this process's memory. One thread may put and drop while any number search.

    It is filled once with what there is, which an index type is chosen by, and then follows in a second, small one.
    """

    def __init__(self, backend: str, dim: int, *, limit: int, spool: RegionSpool | None = None) -> None:
        """Hold what is in `spool`, and at most `limit` regions. Raises ListingIndexError for more."""
        self._limit = limit
        self._dim = dim
        self._parts = {marks: (_Part(backend, dim), _Part(backend, dim)) for marks in (False, True)}
        self._changing = threading.Lock()
        self._newest: dict[int, int] = {}  # the decision that counts, by the listing's key
        if spool is not None:
            self._check_room(spool.count)
            self._newest = {listing_key(listing_id): number for listing_id, number in spool.newest.items()}
            for marks, (first, _) in self._parts.items():
                first.add(spool.columns(marks=marks))
        self._filled = len(self)

    def __len__(self) -> int:
        return sum(len(part) for pair in self._parts.values() for part in pair)

    @property
    def masked(self) -> int:
        """How many of the regions held are replaced or gone: building anew makes room for so many."""
        return sum(part.masked for pair in self._parts.values() for part in pair)

    @property
    def stale(self) -> bool:
        """Whether a quarter is masked, or as much was added as there was in the beginning."""
        masked, added = self.masked, len(self) - self._filled
        return masked > max(_TOLERATED, len(self) // 4) or added > max(_TOLERATED, self._filled)

    def put(self, entries: Sequence[ListingEntry]) -> None:
        """Take listings in, as `RegionIndex.put` says; a decision that is held already changes nothing.

        Raises ListingIndexError when there are more regions than may be held.
        """
        with self._changing:
            new = [one for one in entries if self._newest.get(listing_key(one.listing_id)) != one.number]
            self._check_room(sum(len(one.vectors) for one in new))
            replaced = [self._newest.get(listing_key(one.listing_id)) for one in new]
            for marks, (_, second) in self._parts.items():
                second.add(columns_of(new, self._dim, marks=marks))
            self._newest |= {listing_key(one.listing_id): one.number for one in new}
            # After the new ones are there: a listing is never without.
            self._mask([number for number in replaced if number is not None])

    def drop(self, listing_ids: Sequence[str]) -> None:
        """Let go of listings, as `RegionIndex.drop` says."""
        with self._changing:
            gone = (self._newest.pop(listing_key(listing_id), None) for listing_id in listing_ids)
            self._mask([number for number in gone if number is not None])

    def search(
        self,
        vectors: NDArray[np.float32],
        *,
        marks: bool,
        at_least: float,
        most: int,
        where: ListingWhere,  # noqa: ARG002 - left to the caller
    ) -> RegionHits:
        """Search as `RegionIndex.search` says."""
        depth = max(most, 1)
        while True:
            parts = [part.search(vectors, depth) for part in self._parts[marks]]
            beyond = max(part.beyond for part in parts)
            numbers, rows, scores = (
                np.concatenate(each) for each in zip(*(part.columns for part in parts), strict=True)
            )
            # What scores no more than something that is not listed may not be the best of what is left.
            listed = (scores >= at_least) & (scores > beyond)
            hits = ranked_hits(numbers[listed], rows[listed], scores[listed], complete=beyond < at_least)
            if hits.complete or len(hits.numbers) >= most:
                return hits
            depth *= _MORE

    def _check_room(self, more: int) -> None:
        if len(self) + more > self._limit:
            raise ListingIndexError(
                f"The catalogue has more than {self._limit} regions, as many as may be held in memory: set "
                "catalogue_regions higher, or catalogue_backend to milvus and move the catalogue there with "
                "'touchstone catalogue move --to milvus'."
            )

    def _mask(self, numbers: Sequence[int]) -> None:
        for pair in self._parts.values():
            for part in pair:
                part.mask(numbers)


@dataclass(frozen=True, eq=False)
class RefusedRegions:
    """Stands in for an index that would be incomplete: whoever asks is told why."""

    error: ListingIndexError

    def put(self, entries: Sequence[ListingEntry]) -> None:
        """Take nothing in."""

    def drop(self, listing_ids: Sequence[str]) -> None:
        """Have nothing to let go of."""

    def search(self, vectors: NDArray[np.float32], **_how: object) -> RegionHits:  # noqa: ARG002
        """Raise ListingIndexError."""
        raise ListingIndexError(str(self.error)) from self.error

    def __len__(self) -> int:
        return 0


@dataclass(frozen=True, eq=False)
class _Found:
    """Regions that count (decisions' numbers, rows, scores), and how similar others may be at most."""

    columns: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]
    beyond: float


class _Part:
    """Vectors of one kind in one index, with the decision and the row that each is of."""

    def __init__(self, backend: str, dim: int) -> None:
        self._index = create_index(backend, dim, work=_WORK)
        self._numbers = np.empty(0, dtype=np.int64)
        self._rows = np.empty(0, dtype=np.int64)
        self._counts = np.empty(0, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def masked(self) -> int:
        return int(np.count_nonzero(~self._counts))

    def add(self, new: RegionColumns) -> None:
        first = len(self._numbers)
        self._numbers = np.concatenate([self._numbers, new.numbers])
        self._rows = np.concatenate([self._rows, new.rows])
        self._counts = np.concatenate([self._counts, np.ones(len(new.numbers), np.bool_)])
        # Last, for a search may find them from now on.
        for start in range(0, len(new.numbers), _BLOCK_ROWS):
            block = new.vectors[start : start + _BLOCK_ROWS]
            self._index.add(np.arange(first + start, first + start + len(block), dtype=np.int64), block)

    def mask(self, numbers: Sequence[int]) -> None:
        if numbers:
            self._counts[np.isin(self._numbers, numbers)] = False

    def search(self, vectors: NDArray[np.float32], depth: int) -> _Found:
        held = len(self._index)
        hits = self._index.search(vectors, min(depth, max(held, 1)))
        ids, scores = hits.ids, hits.scores
        cut = scores[:, -1] if depth < held and ids.size else np.empty(0, np.float32)
        counts = (ids != PADDING_ID) & self._counts[np.where(ids == PADDING_ID, 0, ids)] if held else ids != PADDING_ID
        found = ids[counts]
        return _Found((self._numbers[found], self._rows[found], scores[counts]), float(cut.max(initial=-np.inf)))


def listing_key(listing_id: str) -> int:
    """Give a listing's number in an index: two of ten million listings share one with a probability of 3 in 10^6."""
    return int.from_bytes(hashlib.sha256(listing_id.encode()).digest()[:8], signed=True)
