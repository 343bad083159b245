"""How does an index of listings keep up with the store? It reads the outbox of decisions and looks listings up again.

An event says only which listing changed; what the index takes in is the listing as it is now. So events that come
twice, late or out of turn do no harm, and an index that lies elsewhere (Milvus) may be fed by several processes.
`index.refresh.Holder` runs `renew` in a thread of its own, away from screening.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from index.errors import ListingIndexError
from index.listing_regions import ListingEntry, RegionIndex
from index.region_index import MemoryRegions, RefusedRegions
from index.region_spool import RegionSpool

logger = logging.getLogger(__name__)

_BATCH = 1_000
# A full index is built anew once if that makes room for a twentieth of it. For less it would be built all the time.
_WORTH_ROOM = 20


class CatalogueOutbox(Protocol):
    """What following the catalogue needs of the store."""

    def event_head(self) -> int:
        """Return the newest event's cursor."""

    def catalogue_changes(self, cursor: int, *, limit: int) -> tuple[int, tuple[str, ...]]:
        """Name the listings of events after `cursor`, and return the last one's cursor."""

    def catalogue_entries(self, listing_ids: Sequence[str], fingerprint: str) -> tuple[ListingEntry, ...]:
        """Return those of the listings that are in the catalogue."""

    def iter_catalogue(self, fingerprint: str) -> Iterator[tuple[ListingEntry, ...]]:
        """Yield all of the catalogue in pages."""

    def catalogue_cursor(self, name: str) -> int | None:
        """Return how far an index elsewhere has followed."""

    def advance_catalogue(self, name: str, *, old: int | None, new: int | None) -> bool:
        """Note how far an index elsewhere has followed; False when another process noted something since `old`."""


@dataclass(frozen=True)
class Followed:
    """An index, and up to which event it has followed the store; both None before it is built."""

    index: RegionIndex | None = None
    cursor: int = 0


def follow(store: CatalogueOutbox, fingerprint: str, index: RegionIndex, cursor: int) -> int:
    """Bring an index up to the store's newest event, a batch at a time, and return that event's cursor."""
    while (reached := take_batch(store, fingerprint, index, cursor)) != cursor:
        cursor = reached
    return cursor


def take_batch(store: CatalogueOutbox, fingerprint: str, index: RegionIndex, cursor: int) -> int:
    """Let an index take in what the next events are about, and return the last one's cursor."""
    reached, listing_ids = store.catalogue_changes(cursor, limit=_BATCH)
    if listing_ids:
        entries = store.catalogue_entries(listing_ids, fingerprint)
        index.put(entries)
        there = {entry.listing_id for entry in entries}
        index.drop([listing_id for listing_id in listing_ids if listing_id not in there])
    return reached


@dataclass(frozen=True, kw_only=True)
class MemoryFollowing:
    """Keeps an index in memory: built from the store in the beginning, and again when much of it is stale."""

    store: CatalogueOutbox
    fingerprint: str
    dim: int
    backend: str
    limit: int
    folder: Path

    def renew(self, old: Followed) -> Followed | None:
        """Follow the store; None when nothing changed.

        With more regions than may be held there is no index any more, until the next start: a part of the catalogue
        would pass for all of it.
        """
        if isinstance(old.index, RefusedRegions):
            return None
        try:
            return self._followed(old)
        except ListingIndexError as error:
            logger.error("%s Until then FindListings is unavailable.", error)
            return Followed(RefusedRegions(error), old.cursor)

    def _followed(self, old: Followed) -> Followed | None:
        if not isinstance(old.index, MemoryRegions):
            return self._build(lambda: None)
        try:
            cursor = follow(self.store, self.fingerprint, old.index, old.cursor)
        except ListingIndexError:
            if old.index.masked * _WORTH_ROOM < self.limit:
                raise
            logger.info("the index of listings is built anew: it is full, and a part of it is replaced")
            return self._build(lambda: None)
        if old.index.stale:
            logger.info("the index of listings is built anew: much of it is replaced or new")
            return self._build(_keeping_up(self.store, self.fingerprint, old.index, cursor))
        return None if cursor == old.cursor else Followed(old.index, cursor)

    def _build(self, meanwhile: Callable[[], None]) -> Followed:
        """Read all of the store; `meanwhile` is called after each page."""
        cursor = self.store.event_head()  # first: what comes while reading is read once more, never missed
        self.folder.mkdir(parents=True, exist_ok=True)
        spool = RegionSpool(self.folder, self.dim)
        for page in self.store.iter_catalogue(self.fingerprint):
            spool.add(page)
            if spool.count > self.limit:
                break  # which the index refuses, before the disk is full
            meanwhile()
        index = MemoryRegions(self.backend, self.dim, limit=self.limit, spool=spool)
        return Followed(index, follow(self.store, self.fingerprint, index, cursor))


@dataclass(frozen=True, kw_only=True)
class OutsideFollowing:
    """Feeds an index that lies elsewhere; the store keeps how far. `name` says which index, model included."""

    store: CatalogueOutbox
    fingerprint: str
    name: str
    index: RegionIndex

    def renew(self, old: Followed) -> Followed | None:
        """Follow the store from where the last process to feed the index stopped; fill it when nobody did yet."""
        while True:
            cursor = self.store.catalogue_cursor(self.name)
            if cursor is None:
                cursor = self.fill()
            reached = take_batch(self.store, self.fingerprint, self.index, cursor)
            if reached == cursor:
                return None if old.index is self.index and old.cursor == reached else Followed(self.index, reached)
            if not self.store.advance_catalogue(self.name, old=cursor, new=reached):
                # Another process fed it meanwhile, and may have put what we dropped: what holds now is put again.
                take_batch(self.store, self.fingerprint, self.index, cursor)

    def fill(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Put the whole catalogue in, and return from which event on to follow. `progress` learns of each page.

        Ended half-way, it is done again from the beginning, by whoever follows next; twice does no harm.
        """
        self.store.advance_catalogue(self.name, old=self.store.catalogue_cursor(self.name), new=None)
        cursor = self.store.event_head()
        for page in self.store.iter_catalogue(self.fingerprint):
            self.index.put(page)
            progress(len(page))
        self.store.advance_catalogue(self.name, old=None, new=cursor)
        return cursor


def _keeping_up(store: CatalogueOutbox, fingerprint: str, index: MemoryRegions, cursor: int) -> Callable[[], None]:
    """Let an index that is still asked follow the store while its successor is built."""

    def step() -> None:
        nonlocal cursor
        cursor = follow(store, fingerprint, index, cursor)

    return step
