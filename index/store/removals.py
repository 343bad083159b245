"""Which photos come from listings that were removed? A seller who offers the same goods again often uses them again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, tuple_, update

from index.audit.entries import Act, Entry
from index.decision_records import DecisionRecord, EventKind, RemovalReason, RemovedImage, RemovedListing
from index.errors import NotFound
from index.records import ChangeKind
from index.store.audit import enter
from index.store.cases import supersede
from index.store.changes import log_changes
from index.store.decisions import append_event, find_decision, images_of, latest
from index.store.engine import BATCH, Database, in_batches, insert_new
from index.store.locks import lock_listing
from index.store.retry import run_again
from index.store.rulings import in_force
from index.store.tables.decisions import decisions
from index.store.tables.removals import removed_images, removed_listings
from index.store.tallies import recount_listing

# Without the keypoints, which are most of it and asked for one by one (index.store.features).
_PHOTO = tuple(removed_images.c[name] for name in RemovedImage.__dataclass_fields__)


class RemovalStore:
    """The part of the store that keeps what is known of removed listings."""

    _database: Database

    @run_again
    def remove_listing(
        self, listing_id: str, reason: RemovalReason, time: datetime, *, note: str = ""
    ) -> RemovedListing:
        """Note that the marketplace removed a listing; as a counterfeit, its last screening's photos become known.

        The same reason again changes nothing. Another reason corrects the first one: the time stays, the photos become
        known or are forgotten. A listing that was screened again meanwhile is removed anew; its earlier photos stay.
        Cases in which nobody decided yet are overtaken.

        Raises:
            NotFound: the listing was never screened.

        """
        with self._database.write(f"remove the listing {listing_id!r}") as connection:
            lock_listing(connection, listing_id)
            decision = latest(connection, listing_id)
            if decision is None:
                raise NotFound(f"The listing {listing_id!r} was never screened, so there is nothing to remove.")
            stored = _standing(connection, listing_id)
            same_screening = stored is not None and stored.decision_id == decision.decision_id
            if stored is None or not same_screening or stored.reason != reason:
                # Before any counter is taken, as where people decide: two who wait for each other would both fail.
                supersede(connection, listing_id, time)
                time = stored.remove_time if stored is not None and same_screening else time
                _put(connection, decision, reason=reason, note=note, time=time)
                if reason is RemovalReason.COUNTERFEIT:
                    _remember_photos(connection, decision)
                elif same_screening:
                    _forget_photos(connection, listing_id)
                recount_listing(connection, listing_id)
                facts = {"decision": decision.decision_id, "reason": str(reason)}
                enter(connection, Entry(act=Act.REMOVED, subject=listing_id, facts=facts))
                append_event(
                    connection,
                    EventKind.REMOVED,
                    decision,
                    create_time=time,
                    verdict=in_force(connection, decision).verdict,
                )
            return _removed(connection, listing_id)

    def iter_removed_images(self) -> Iterator[RemovedImage]:
        """Yield the photos of all removed listings; each page is a short transaction of its own."""
        key = tuple_(removed_images.c.listing_id, removed_images.c.sha256)
        after = ("", "")
        while True:
            page = select(*_PHOTO).where(key > after).order_by(*key.clauses).limit(BATCH)
            with self._database.read("read removed images") as connection:
                rows = connection.execute(page).all()
            yield from map(_image, rows)
            if len(rows) < BATCH:
                return
            after = (rows[-1].listing_id, rows[-1].sha256)

    def removed_images_of(self, listing_ids: Collection[str]) -> Iterator[RemovedImage]:
        """Yield the photos of those of the listings that were removed."""
        for batch in in_batches(listing_ids):
            with self._database.read("read removed images") as connection:
                rows = connection.execute(select(*_PHOTO).where(removed_images.c.listing_id.in_(batch))).all()
            yield from map(_image, rows)

    def named_since(self, listing_id: str, brand: str) -> datetime | None:
        """Return when a listing was first decided on as one of a brand, by the name as it was recorded; None: never."""
        own = (decisions.c.listing_id == listing_id, decisions.c.brand == brand)
        query = select(decisions.c.create_time).where(*own).order_by(decisions.c.number).limit(1)
        with self._database.read("read since when a listing is one of a brand") as connection:
            return connection.execute(query).scalar_one_or_none()


@dataclass(frozen=True, kw_only=True)
class RemovalChange:
    """What a verdict changed in a listing's removal: how it was `before`, None when there was no removal."""

    before: dict[str, Any] | None


def take_down(connection: Connection, decision: DecisionRecord, time: datetime) -> RemovalChange | None:
    """Make a listing that a person took down a removed counterfeit; return None when it was one already."""
    before = _standing(connection, decision.listing_id)
    if before is not None and _counterfeit(before, decision):
        return None
    note = "" if before is None else before.note
    _put(connection, decision, reason=RemovalReason.COUNTERFEIT, note=note, time=time)
    _remember_photos(connection, decision)
    return RemovalChange(before=_snapshot(before))


def reinstate(connection: Connection, decision: DecisionRecord) -> RemovalChange | None:
    """Withdraw the removal as a counterfeit that rests on this decision; return None when there is none."""
    before = _standing(connection, decision.listing_id)
    if before is None or not _counterfeit(before, decision):
        return None
    _forget_photos(connection, decision.listing_id)
    connection.execute(delete(removed_listings).where(removed_listings.c.listing_id == decision.listing_id))
    return RemovalChange(before=_snapshot(before))


def restore(connection: Connection, decision: DecisionRecord, change: RemovalChange) -> None:
    """Put a removal back as it was before a verdict changed it, unless the marketplace has removed it anew since."""
    now = _standing(connection, decision.listing_id)
    if now is not None and not _counterfeit(now, decision):
        return
    _forget_photos(connection, decision.listing_id)
    if change.before is None:
        connection.execute(delete(removed_listings).where(removed_listings.c.listing_id == decision.listing_id))
        return
    earlier = find_decision(connection, change.before["decision_id"])
    reason = RemovalReason(change.before["reason"])
    time = datetime.fromisoformat(change.before["remove_time"])
    _put(connection, earlier, reason=reason, note=change.before["note"], time=time)
    if reason is RemovalReason.COUNTERFEIT:
        _remember_photos(connection, earlier)


def _standing(connection: Connection, listing_id: str) -> Row[Any] | None:
    return connection.execute(select(removed_listings).where(removed_listings.c.listing_id == listing_id)).one_or_none()


def _counterfeit(removal: Row[Any], decision: DecisionRecord) -> bool:
    return bool(removal.reason == RemovalReason.COUNTERFEIT and removal.decision_id == decision.decision_id)


def _snapshot(removal: Row[Any] | None) -> dict[str, Any] | None:
    if removal is None:
        return None
    kept = {name: getattr(removal, name) for name in ("decision_id", "reason", "note")}
    return kept | {"remove_time": removal.remove_time.isoformat()}


def _put(connection: Connection, decision: DecisionRecord, *, reason: RemovalReason, note: str, time: datetime) -> None:
    values = {"decision_id": decision.decision_id, "reason": str(reason), "note": note, "remove_time": time}
    again = update(removed_listings).where(removed_listings.c.listing_id == decision.listing_id).values(**values)
    if connection.execute(again).rowcount == 0:
        connection.execute(removed_listings.insert().values(listing_id=decision.listing_id, **values))


def _remember_photos(connection: Connection, decision: DecisionRecord) -> None:
    photos = [
        {
            "listing_id": decision.listing_id,
            "sha256": image.sha256,
            "pdq": image.pdq,
            "brand": decision.brand,
            "features": image.features,
            "embedding": image.embedding,
            "fingerprint": decision.model_fingerprint,
        }
        for image in images_of(connection, decision.decision_id)
    ]
    if insert_new(connection, removed_images, photos):  # the same photo twice in a listing is one
        log_changes(connection, ChangeKind.REMOVED_LISTING, [decision.listing_id])


def _forget_photos(connection: Connection, listing_id: str) -> None:
    if connection.execute(delete(removed_images).where(removed_images.c.listing_id == listing_id)).rowcount:
        log_changes(connection, ChangeKind.REMOVED_LISTING, [listing_id])


def _removed(connection: Connection, listing_id: str) -> RemovedListing:
    row = connection.execute(select(removed_listings).where(removed_listings.c.listing_id == listing_id)).one()
    photos = select(*_PHOTO).where(removed_images.c.listing_id == listing_id).order_by(removed_images.c.sha256)
    return RemovedListing(
        listing_id=row.listing_id,
        decision_id=row.decision_id,
        reason=RemovalReason(row.reason),
        note=row.note,
        remove_time=row.remove_time,
        images=tuple(_image(photo) for photo in connection.execute(photos)),
    )


def _image(row: Row[Any]) -> RemovedImage:
    return RemovedImage(**row._asdict())
