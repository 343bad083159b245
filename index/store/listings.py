"""Which listings are in the catalogue, and by which regions are they found? Read by indexes and by who searches.

A listing is in the catalogue by its latest decision, unless the marketplace removed it on that one. An index follows
the outbox of decisions: each event says which listing to look at again, and what it then finds is the present state,
so that reading an event twice, or late, does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, exists, func, or_, select, update

from index.audit.entries import Act, Entry, Fact
from index.decision_records import EventKind
from index.listing_regions import PLACE_BYTES, ListingEntry, Place, read_place
from index.listing_regions import unit_rows as read_vectors
from index.listings import EVERYWHERE, ListingWhere
from index.store.audit import enter
from index.store.decisions import append_event, latest
from index.store.engine import Database, in_batches, insert_new
from index.store.locks import lock_listing
from index.store.regions import STEP
from index.store.tables.cases import resolutions
from index.store.tables.decisions import decision_events, decisions, listing_images
from index.store.tables.listings import catalogue_cursors, listing_brands, listing_regions
from index.store.tables.references import reference_embeddings
from index.store.tables.removals import removed_listings

logger = logging.getLogger(__name__)

# Listings read at a time: with touchstone-s some 10 MB of vectors.
_PAGE = 500

RULED = (
    select(resolutions.c.verdict)
    .where(
        resolutions.c.decision_id == decisions.c.decision_id,
        resolutions.c.in_force,
        resolutions.c.undo_time.is_(None),
    )
    .order_by(resolutions.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
IN_FORCE = func.coalesce(RULED, decisions.c.verdict)
_ON_SALE = ~exists().where(
    removed_listings.c.listing_id == listing_regions.c.listing_id,
    removed_listings.c.decision_id == listing_regions.c.decision_id,
)
_ENTRY = (
    listing_regions,
    *(decisions.c[name] for name in ("number", "seller_id", "market", "create_time")),
)


@dataclass(frozen=True, kw_only=True)
class ListedDecision:
    """The latest decision on a listing in the catalogue; `verdict` is the one in force."""

    listing_id: str
    decision_id: str
    verdict: str
    seller_id: str
    screen_time: datetime
    places: bytes

    def place(self, row: int) -> Place:
        """Say where its region `row` is."""
        return read_place(self.places, row)


_LISTED = tuple(ListedDecision.__dataclass_fields__)


class ListingStore:
    """The part of the store that keeps the regions of screened listings."""

    _database: Database

    def catalogue_changes(self, cursor: int, *, limit: int = 1000) -> tuple[int, tuple[str, ...]]:
        """Name the listings of up to `limit` events after `cursor`, and return the last event's cursor."""
        query = (
            select(decision_events.c.cursor, decisions.c.listing_id)
            .join_from(decision_events, decisions)
            .where(decision_events.c.cursor > cursor)
            .order_by(decision_events.c.cursor)
            .limit(limit)
        )
        with self._database.read("read which listings changed") as connection:
            rows = connection.execute(query).all()
        return (rows[-1].cursor if rows else cursor), tuple(dict.fromkeys(row.listing_id for row in rows))

    def catalogue_entries(self, listing_ids: Iterable[str], fingerprint: str) -> tuple[ListingEntry, ...]:
        """Return those of the listings that are in the catalogue, with their regions by the model `fingerprint`.

        Regions that do not fit each other, which takes a damaged database, are named in the log and left out: one row
        must not keep every other listing from being found.
        """
        found: list[ListingEntry] = []
        with self._database.read("read the regions of listings") as connection:
            for batch in in_batches(listing_ids, _PAGE):
                found += _entries(connection, _listed(fingerprint, listing_regions.c.listing_id.in_(batch)))
        return tuple(found)

    def iter_catalogue(self, fingerprint: str) -> Iterator[tuple[ListingEntry, ...]]:
        """Yield all of the catalogue by the model `fingerprint`, in pages; each is a short transaction of its own.

        What cannot be read is left out, as `catalogue_entries` does.
        """
        after = ""
        while True:
            beyond = _listed(fingerprint, listing_regions.c.listing_id > after)
            with self._database.read("read the regions of all listings") as connection:
                rows = connection.execute(beyond.order_by(listing_regions.c.listing_id).limit(_PAGE)).all()
                page = _entries_of(connection, rows)
            if not rows:
                return
            yield page
            after = rows[-1].listing_id

    def catalogue_decisions(
        self, numbers: Iterable[int], fingerprint: str, where: ListingWhere = EVERYWHERE
    ) -> dict[int, ListedDecision]:
        """Return those of the decisions that are the latest of a listing in the catalogue and fit, by number."""
        columns = (
            decisions.c.number,
            listing_regions.c.listing_id,
            listing_regions.c.decision_id,
            IN_FORCE.label("verdict"),
            decisions.c.seller_id,
            decisions.c.create_time.label("screen_time"),
            listing_regions.c.places,
        )
        found: dict[int, ListedDecision] = {}
        with self._database.read("look up listings") as connection:
            for batch in in_batches(numbers):
                asked = _listed(fingerprint, decisions.c.number.in_(batch), *fitting(where), columns=columns)
                for row in connection.execute(asked):
                    found[row.number] = ListedDecision(**{name: getattr(row, name) for name in _LISTED})
        return found

    def catalogue_matching(self, where: ListingWhere, fingerprint: str, *, limit: int) -> tuple[str, ...]:
        """Name up to `limit` listings of the catalogue that fit."""
        asked = _listed(fingerprint, *fitting(where), columns=(listing_regions.c.listing_id,)).limit(limit)
        with self._database.read("look for listings") as connection:
            return tuple(connection.scalars(asked))

    def catalogue_size(self, fingerprint: str) -> tuple[int, int]:
        """Count the listings of the catalogue, and their regions."""
        columns = (func.count(), func.coalesce(func.sum(func.length(listing_regions.c.places)), 0))
        with self._database.read("count the regions of listings") as connection:
            listings, size = connection.execute(_listed(fingerprint, columns=columns)).one()
        return int(listings), int(size) // PLACE_BYTES

    def forget_listing(self, listing_id: str) -> bool:
        """Delete the regions of a listing for good, and let indexes know; say whether there were any.

        It is found again once it is screened again. What decisions say of it stays.
        """
        with self._database.write(f"forget the regions of {listing_id!r}") as connection:
            lock_listing(connection, listing_id)
            gone = connection.execute(delete(listing_regions).where(listing_regions.c.listing_id == listing_id))
            decision = latest(connection, listing_id)
            if gone.rowcount:
                facts: dict[str, Fact] = {"what": "regions", "of": "listing", "count": gone.rowcount}
                enter(connection, Entry(act=Act.ERASED, subject=listing_id, facts=facts))
            if gone.rowcount and decision is not None:
                append_event(connection, EventKind.FORGOTTEN, decision)
            return bool(gone.rowcount)

    def catalogue_cursor(self, name: str) -> int | None:
        """Return how far the index `name` has followed, None when it was never filled."""
        with self._database.read("read how far an index is") as connection:
            this = select(catalogue_cursors.c.cursor).where(catalogue_cursors.c.name == name)
            return connection.execute(this).scalar_one_or_none()

    def catalogue_cursors(self) -> dict[str, int | None]:
        """Return how far each index elsewhere has followed, by its name."""
        with self._database.read("read how far indexes are") as connection:
            rows = connection.execute(select(catalogue_cursors.c.name, catalogue_cursors.c.cursor))
            return {row.name: row.cursor for row in rows}

    def advance_catalogue(self, name: str, *, old: int | None, new: int | None) -> bool:
        """Note how far the index `name` has followed, None for not filled; False when it was not at `old` any more."""
        this = catalogue_cursors.c.name == name
        with self._database.write("note how far an index is") as connection:
            if old is None:
                return new is None or insert_new(connection, catalogue_cursors, [{"name": name, "cursor": new}]) == 1
            there = (this, catalogue_cursors.c.cursor == old)
            if new is None:
                return connection.execute(delete(catalogue_cursors).where(*there)).rowcount == 1
            return connection.execute(update(catalogue_cursors).where(*there).values(cursor=new)).rowcount == 1

    def reference_vectors(self, reference_id: str, fingerprint: str) -> NDArray[np.float32]:
        """Return a reference's views by the model `fingerprint`, float32 [n, dim] unit rows; n is 0 without any."""
        own = (reference_embeddings.c.reference_id == reference_id, reference_embeddings.c.fingerprint == fingerprint)
        query = select(reference_embeddings.c.vector).where(*own).order_by(reference_embeddings.c.variant)
        with self._database.read("read a reference's views") as connection:
            views = [np.frombuffer(view, "<f4") for view in connection.scalars(query)]
        return np.stack(views).astype(np.float32) if views else np.empty((0, 0), np.float32)


def _listed(fingerprint: str, *conditions: ColumnElement[bool], columns: Sequence[Any] = _ENTRY) -> Select[Any]:
    """Ask for listings of the catalogue."""
    joined = select(*columns).join_from(listing_regions, decisions)
    return joined.where(listing_regions.c.fingerprint == fingerprint, _ON_SALE, *conditions)


def fitting(where: ListingWhere) -> Iterator[ColumnElement[bool]]:
    """Say what a listing must meet."""
    if where.brand_ids:
        named = (listing_brands.c.listing_id == listing_regions.c.listing_id,)
        yield exists().where(*named, listing_brands.c.brand_id.in_(where.brand_ids))
    if where.seller_ids:
        yield decisions.c.seller_id.in_(where.seller_ids)
    if where.category_path:
        path = STEP.join(where.category_path)
        below = listing_regions.c.category.startswith(path + STEP, autoescape=True)
        yield or_(listing_regions.c.category == path, below)
    if where.verdicts:
        yield IN_FORCE.in_(where.verdicts)
    if where.markets:
        yield decisions.c.market.in_(where.markets)
    if where.screened_from is not None:
        yield decisions.c.create_time >= where.screened_from
    if where.screened_before is not None:
        yield decisions.c.create_time < where.screened_before


def _entries(connection: Connection, asked: Select[Any]) -> tuple[ListingEntry, ...]:
    return _entries_of(connection, connection.execute(asked).all())


def _entries_of(connection: Connection, rows: Sequence[Row[Any]]) -> tuple[ListingEntry, ...]:
    photos: dict[str, list[bytes]] = {row.decision_id: [] for row in rows}
    brands: dict[str, list[str]] = {row.listing_id: [] for row in rows}
    images = listing_images.c
    whole = select(images.decision_id, images.embedding).where(
        and_(images.decision_id.in_(photos), images.embedding.is_not(None))
    )
    for decision_id, embedding in connection.execute(whole.order_by(images.decision_id, images.position)):
        photos[decision_id].append(embedding)
    named = select(listing_brands.c.listing_id, listing_brands.c.brand_id).where(
        listing_brands.c.listing_id.in_(brands)
    )
    for listing_id, brand_id in connection.execute(named.order_by(listing_brands.c.brand_id)):
        brands[listing_id].append(brand_id)
    return tuple(_sound(rows, photos, brands))


def _sound(
    rows: Sequence[Row[Any]], photos: Mapping[str, Sequence[bytes]], brands: Mapping[str, Sequence[str]]
) -> Iterator[ListingEntry]:
    for row in rows:
        try:
            yield _entry(row, photos[row.decision_id], brands[row.listing_id])
        except ValueError as error:
            logger.error("The regions of %r cannot be read (%s): screen it again.", row.listing_id, error)


def _entry(row: Row[Any], photos: Sequence[bytes], brands: Sequence[str]) -> ListingEntry:
    vectors = np.concatenate([read_vectors(b"".join(photos), row.dim), read_vectors(row.marks, row.dim)])
    if len(vectors) * PLACE_BYTES != len(row.places):
        raise ValueError(f"{len(vectors)} vectors for {len(row.places)} bytes of places")
    return ListingEntry(
        listing_id=row.listing_id,
        number=row.number,
        seller_id=row.seller_id,
        market=row.market,
        screen_time=row.create_time,
        category_path=tuple(row.category.split(STEP)) if row.category else (),
        brand_ids=tuple(brands),
        photos=row.photos,
        vectors=vectors,
    )
