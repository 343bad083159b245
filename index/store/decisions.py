"""What was decided? Decisions with their case, photos, idempotency key and event, recorded in one transaction.

This is the last step of a listing's way through. Either all of it is on record or nothing is, whether the process dies,
the deadline passes or another thread was quicker with the same idempotency key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from index.audit.entries import Act, Entry
from index.case_records import Case
from index.decision_records import DecisionEvent, DecisionRecord, EventKind, ListingImage, RecordOutcome
from index.errors import Conflict, KeyReused, NotFound, StoreError
from index.listing_regions import ListingRegions
from index.market_records import PriceObservation
from index.photos import Photo
from index.policies import ShadowOutcome
from index.store.audit import digest, enter
from index.store.cases import succeed_cases
from index.store.changes import EVENTS, head, take
from index.store.engine import Database, insert_new
from index.store.locks import lock_listing
from index.store.outcomes import insert_outcomes
from index.store.photos import insert_photos, tell_seller
from index.store.prices import insert_observations
from index.store.regions import put_regions
from index.store.retry import run_again
from index.store.tables.decisions import decision_events, decisions, idempotency_keys, listing_images
from index.store.tallies import count_decision

_FIELDS = tuple(DecisionRecord.__dataclass_fields__)
_PHOTO = tuple(ListingImage.__dataclass_fields__)
_INSERT_EVENT, _INSERT_IMAGES = decision_events.insert(), listing_images.insert()  # built once: each decision runs them


class DecisionStore:
    """The part of the store that keeps decisions and the events that their followers read."""

    _database: Database

    @run_again
    def record_decision(
        self,
        record: DecisionRecord,
        *,
        case: Case | None = None,
        carried: Case | None = None,
        images: Sequence[ListingImage] = (),
        regions: ListingRegions | None = None,
        facts: bytes | None = None,
        shadows: Sequence[ShadowOutcome] = (),
        price: PriceObservation | None = None,
        photos: Sequence[Photo] = (),
        commit_guard: Callable[[], None] | None = None,
    ) -> RecordOutcome:
        """Put a decision on record, with the case that it opens and what the listing's photos are recognised by.

        `price` is what the price model may learn from the listing, None when nothing is. `regions` replace those that
        the listing was found by; `photos` say what became of its photos' files, which are kept by now.

        When the idempotency key was used before with the same request, the decision recorded then is returned and
        nothing is written. `facts` is what it was taken on (`serving.facts_record`), `shadows` what the shadow policies
        would have said. `commit_guard` is called last; if it raises (the deadline has passed, say), nothing stays.
        The listing's open cases are overtaken; where there is no `case`, `carried` is opened for what people said about
        the listing and nobody settled yet (`index.store.cases.succeed_cases`).

        Raises:
            KeyReused: the key was used for another request.
            Conflict: the decision's id is taken.
            StoreError: `case` belongs to another decision.

        """
        for one in (case, carried):
            if one is not None and one.decision_id != record.decision_id:
                raise StoreError(
                    f"The case {one.case_id!r} belongs to {one.decision_id!r}, not to {record.decision_id!r}."
                )
        with self._database.write(f"record the decision {record.decision_id!r}") as connection:
            earlier, case_id = _claim_key(connection, record), ""
            if earlier is None:
                lock_listing(connection, record.listing_id)
                _insert(connection, record, images)
                put_regions(connection, record, regions)
                insert_outcomes(connection, record.decision_id, facts, shadows)
                time = record.create_time
                case_id = succeed_cases(connection, record.listing_id, time, case=case, carried=carried)
                count_decision(connection, record)
                if price is not None:
                    insert_observations(connection, [price])
                insert_photos(connection, photos)
                tell_seller(connection, record.listing_id, record.seller_id)
                enter(connection, _entry(record))
                append_event(connection, EventKind.DECIDED, record, case_id=case_id)
            if commit_guard is not None:
                commit_guard()
        return RecordOutcome(record=earlier or record, created=earlier is None, case_id=case_id)

    def get_decision(self, decision_id: str) -> DecisionRecord:
        """Return a decision. Raises NotFound."""
        with self._database.read("read a decision") as connection:
            return find_decision(connection, decision_id)

    def latest_decision(self, listing_id: str) -> DecisionRecord | None:
        """Return the decision on a listing that was recorded last, or None when there is none."""
        with self._database.read("read a listing's decision") as connection:
            return latest(connection, listing_id)

    def find_idempotent(self, key: str, *, request_sha256: str) -> DecisionRecord | None:
        """Return the decision that this key led to, or None. Raises KeyReused when it was for another request."""
        with self._database.read("look up an idempotency key") as connection:
            return _decision_of_key(connection, key, request_sha256)

    def decision_images(self, decision_id: str) -> tuple[ListingImage, ...]:
        """Return what the photos that a decision was taken on are recognised by, in the listing's order."""
        with self._database.read("read a decision's photos") as connection:
            return images_of(connection, decision_id)

    def events_after(self, cursor: int, *, limit: int = 1000) -> tuple[DecisionEvent, ...]:
        """Return up to `limit` events that came after `cursor`, oldest first; 0 starts at the beginning.

        What is for indexes alone is left out.
        """
        query = (
            select(
                decision_events.c.cursor,
                decision_events.c.kind,
                decision_events.c.verdict.label("in_force"),
                decision_events.c.case_id,
                decision_events.c.create_time.label("time"),
                decisions,
            )
            .join_from(decision_events, decisions)
            .where(decision_events.c.cursor > cursor, decision_events.c.kind != str(EventKind.FORGOTTEN))
            .order_by(decision_events.c.cursor)
            .limit(limit)
        )
        with self._database.read("read events") as connection:
            return tuple(
                DecisionEvent(
                    cursor=row.cursor,
                    kind=EventKind(row.kind),
                    create_time=row.time,
                    decision=record_of(row),
                    verdict=row.in_force,
                    case_id=row.case_id,
                )
                for row in connection.execute(query)
            )

    def event_head(self) -> int:
        """Return the newest event's cursor, 0 before the first: who starts there follows only what is to come."""
        with self._database.read("read the newest event's cursor") as connection:
            return head(connection, EVENTS)


def find_decision(connection: Connection, decision_id: str) -> DecisionRecord:
    """Return a decision. Raises NotFound."""
    found = _one(connection, select(decisions).where(decisions.c.decision_id == decision_id))
    if found is None:
        raise NotFound(f"There is no decision with the id {decision_id!r}.")
    return found


def lock_decision(connection: Connection, decision_id: str) -> DecisionRecord:
    """Return a decision, and keep others from its listing until the transaction ends. Raises NotFound."""
    decision = find_decision(connection, decision_id)
    lock_listing(connection, decision.listing_id)
    return decision


def latest(connection: Connection, listing_id: str) -> DecisionRecord | None:
    """Return the decision on a listing that was recorded last."""
    own = select(decisions).where(decisions.c.listing_id == listing_id)
    return _one(connection, own.order_by(decisions.c.number.desc()).limit(1))


def records_where(connection: Connection, query: Select[Any]) -> list[DecisionRecord]:
    """Return the decisions that a query of whole rows finds, in its order."""
    return [record_of(row) for row in connection.execute(query)]


def images_of(connection: Connection, decision_id: str) -> tuple[ListingImage, ...]:
    """Return what the photos that a decision was taken on are recognised by."""
    query = (
        select(listing_images).where(listing_images.c.decision_id == decision_id).order_by(listing_images.c.position)
    )
    return tuple(ListingImage(**{name: getattr(row, name) for name in _PHOTO}) for row in connection.execute(query))


def append_event(
    connection: Connection,
    kind: EventKind,
    record: DecisionRecord,
    *,
    create_time: datetime | None = None,
    verdict: str | None = None,
    case_id: str = "",
) -> None:
    """Append an event about a decision to the outbox: last in its transaction, see `index.store.changes.take`.

    `verdict` is the one in force since: the decision's own unless another is given.
    """
    event = {
        "cursor": take(connection, EVENTS),
        "kind": str(kind),
        "decision_id": record.decision_id,
        "verdict": str(record.verdict if verdict is None else verdict),
        "case_id": case_id,
        "create_time": create_time or record.create_time,
    }
    connection.execute(_INSERT_EVENT, event)


def _entry(record: DecisionRecord) -> Entry:
    return Entry(
        act=Act.DECIDED,
        subject=record.decision_id,
        facts={
            "listing": record.listing_id,
            "verdict": str(record.verdict),
            "policy": record.policy_version,
            "content": digest(record.payload),
        },
    )


def _insert(connection: Connection, record: DecisionRecord, images: Sequence[ListingImage]) -> None:
    values = {name: getattr(record, name) for name in _FIELDS}
    if insert_new(connection, decisions, [values | {"verdict": str(record.verdict)}]) != 1:
        raise Conflict(f"The decision {record.decision_id!r} is on record already, and decisions do not change.")
    if images:
        connection.execute(
            _INSERT_IMAGES,
            [
                {"decision_id": record.decision_id, "position": position}
                | {name: getattr(image, name) for name in _PHOTO}
                for position, image in enumerate(images)
            ],
        )


def _claim_key(connection: Connection, record: DecisionRecord) -> DecisionRecord | None:
    """Return the decision that holds the key already, or None. PostgreSQL waits here for a rival to commit or fail."""
    if record.idempotency_key is None:
        return None
    claim = {
        "key": record.idempotency_key,
        "request_sha256": record.request_sha256,
        "decision_id": record.decision_id,
        "create_time": record.create_time,
    }
    if insert_new(connection, idempotency_keys, [claim]) == 1:
        return None
    return _decision_of_key(connection, record.idempotency_key, record.request_sha256)


def _decision_of_key(connection: Connection, key: str, request_sha256: str) -> DecisionRecord | None:
    used = select(idempotency_keys).where(idempotency_keys.c.key == key)
    row = connection.execute(used).one_or_none()
    if row is None:
        return None
    if row.request_sha256 != request_sha256:
        raise KeyReused(
            f"The idempotency key {key!r} was used for another request (decision {row.decision_id!r}); "
            "send that request again unchanged, or choose a new key."
        )
    return _one(connection, select(decisions).where(decisions.c.decision_id == row.decision_id))


def _one(connection: Connection, query: Select[Any]) -> DecisionRecord | None:
    row = connection.execute(query).one_or_none()
    return None if row is None else record_of(row)


def record_of(row: Row[Any]) -> DecisionRecord:
    """Return the decision in a whole row."""
    return DecisionRecord(**{name: getattr(row, name) for name in _FIELDS})
