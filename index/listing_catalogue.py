"""Which listings on sale look like this? The `ListingSource`: an index of regions, and the store that it follows.

The index says what looks alike; the store says what counts: a hit is answered only while its decision is the latest on
its listing, the listing is on sale and its verdict in force fits, so that an index that is a second behind answers less
but nothing wrong. Filters never shorten an answer: few listings that fit are compared one by one from the store, and
where many do, the index is asked for more until there are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from index.errors import ListingIndexError
from index.listing_regions import ListingEntry, RegionHits, RegionIndex
from index.listings import EVERYWHERE, ListingMatch, ListingWhere
from index.region_index import MemoryRegions
from index.store.listings import ListedDecision

# Listings that fit a filter and are compared one by one: with touchstone-s a tenth of a second.
_FEW = 500
_MORE = 4


class CatalogueStore(Protocol):
    """What finding listings needs of the store."""

    def catalogue_decisions(
        self, numbers: Sequence[int], fingerprint: str, where: ListingWhere
    ) -> dict[int, ListedDecision]:
        """Return those decisions that count and fit, by number."""

    def catalogue_matching(self, where: ListingWhere, fingerprint: str, *, limit: int) -> tuple[str, ...]:
        """Name up to `limit` listings that fit."""

    def catalogue_entries(self, listing_ids: Sequence[str], fingerprint: str) -> tuple[ListingEntry, ...]:
        """Return listings with their regions."""


def _patient() -> None:
    """Let a search take its time."""


class ListingCatalogue:
    """Finds screened listings. Any number of threads may ask at once.

    `index` gives the index to ask, None while there is none yet.
    """

    def __init__(self, store: CatalogueStore, fingerprint: str, index: Callable[[], RegionIndex | None]) -> None:
        self._store = store
        self._fingerprint = fingerprint
        self._index = index

    def find_listings(
        self,
        vectors: NDArray[np.float32],
        *,
        marks: bool,
        at_least: float,
        most: int,
        where: ListingWhere = EVERYWHERE,
        check: Callable[[], None] = _patient,
    ) -> tuple[ListingMatch, ...]:
        """Find as `ListingSource.find_listings` says; `check` is called between steps and may end it by raising.

        Raises:
            ListingIndexError: the index is not built yet, is full, or cannot be reached.

        """
        index = self._index()
        if index is None:
            raise ListingIndexError("The index of screened listings is being built; ask again in a minute.")
        few = self._few(where, vectors.shape[1])
        if few is not None:
            index = few
        asked = max(most, 1)
        while True:
            check()
            hits = index.search(vectors, marks=marks, at_least=at_least, most=asked, where=where)
            listed = self._store.catalogue_decisions(hits.numbers.tolist(), self._fingerprint, where)
            found = _matches(hits, listed)
            if len(found) >= most or hits.complete:
                return tuple(found[:most])
            asked *= _MORE

    def _few(self, where: ListingWhere, dim: int) -> RegionIndex | None:
        """Index the listings that fit, when they are few; None when they are many, or all."""
        if where == EVERYWHERE:
            return None
        fitting = self._store.catalogue_matching(where, self._fingerprint, limit=_FEW + 1)
        if len(fitting) > _FEW:
            return None
        entries = self._store.catalogue_entries(fitting, self._fingerprint)
        index = MemoryRegions("exact", dim, limit=sum(len(one.vectors) for one in entries))
        index.put(entries)
        return index


def _matches(hits: RegionHits, listed: dict[int, ListedDecision]) -> list[ListingMatch]:
    found = []
    for number, row, score in zip(hits.numbers.tolist(), hits.rows.tolist(), hits.scores.tolist(), strict=True):
        decision = listed.get(number)
        if decision is not None:
            place = decision.place(row)
            found.append(
                ListingMatch(
                    listing_id=decision.listing_id,
                    decision_id=decision.decision_id,
                    verdict=decision.verdict,
                    image_index=place.image_index,
                    box=place.box,
                    similarity=score,
                    seller_id=decision.seller_id,
                    screen_time=decision.screen_time,
                )
            )
    return found
