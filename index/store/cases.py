"""What waits for a person, and who holds it? Cases, opened in the transaction of the decision that calls for one.

Two people never hold one case: on PostgreSQL a claim locks its row and passes over those that others have locked, on
SQLite there is one writer. What people decide is brought into force by `index.store.resolutions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Text, and_, bindparam, func, select, update

from index.case_records import (
    UNRESOLVED,
    Case,
    CaseFilter,
    CaseOrder,
    CaseOrigin,
    CasePage,
    CaseState,
    Place,
    lot_of,
)
from index.check_records import Beside
from index.errors import NotFound
from index.reports import ReportState
from index.store.case_queue import among, claimable, fits, in_place, ordered, queue_key, veiled
from index.store.engine import Database, in_batches
from index.store.leases import FREE, claimed, held_by, lease_of, may_release
from index.store.tables.cases import case_brands, case_reasons, cases, reports

# Of a record's fields, those that are a column of the same name.
_COLUMNS = tuple(name for name in Case.__dataclass_fields__ if name in cases.c)

NOTHING_BESIDE = Beside()

# Built once, because each decision runs them: building a statement takes several times as long as running it.
_LISTING = bindparam("of_listing", type_=Text())
_REPORTED = and_(reports.c.listing_id == _LISTING, reports.c.state == str(ReportState.RECEIVED))
_WAITING_REPORT = select(reports.c.report_id).where(_REPORTED).limit(1)
_JOIN_CASE = update(reports).where(_REPORTED).values(case_id=bindparam("to_case"))
_OVERTAKABLE = and_(
    cases.c.listing_id == _LISTING,
    cases.c.state.in_([str(CaseState.OPEN), str(CaseState.SECOND_REVIEW)]),
    cases.c.origin != str(CaseOrigin.AUDIT),
)
_OVERTAKEN = select(cases.c.state).where(_OVERTAKABLE).order_by(cases.c.case_id).with_for_update()
_SUPERSEDE = (
    update(cases)
    .where(_OVERTAKABLE)
    .values(state=str(CaseState.SUPERSEDED), revision=cases.c.revision + 1, update_time=bindparam("since"), **FREE)
)


class CaseStore:
    """The part of the store that keeps cases and leases on them."""

    _database: Database

    def get_case(self, case_id: str) -> Case:
        """Return a case. Raises NotFound."""
        with self._database.read("read a case") as connection:
            return find_case(connection, case_id)

    def list_cases(
        self,
        wanted: CaseFilter,
        order: CaseOrder = CaseOrder.EXPECTED_HARM,
        *,
        now: datetime,
        after: Place | None = None,
        limit: int = 100,
        beside: Beside = NOTHING_BESIDE,
    ) -> CasePage:
        """Return up to `limit` cases in order, from the first one that follows `after`, and how many fit in all.

        One person's list has their checks among it (`beside`), which fit and count as cases do.
        """
        fitting = and_(fits(wanted, now), ~veiled(beside.veiled)) if beside.veiled else fits(wanted, now)
        page = ordered(select(cases).where(fitting), order, after=after).limit(limit + 1)
        with self._database.read("list cases") as connection:
            rows = connection.execute(page).all()
            total = connection.execute(select(func.count()).select_from(cases).where(fitting)).scalar_one()
            keys = [row.queue_key for row in rows]
            found = in_place(zip(records_of(connection, rows), keys, strict=True), order)
        found = among(found, in_place(beside.checks, order), order, after=after)
        return CasePage(
            cases=tuple(case for _, case in found[:limit]),
            next_after=found[limit - 1][0] if len(found) > limit else None,
            total=total + len(beside.checks),
        )

    def claim_case(self, case_id: str, holder: str, *, now: datetime, duration: timedelta) -> Case:
        """Give `holder` the lease on a case, or renew theirs.

        Raises:
            NotFound: there is no such case.
            Conflict: somebody else holds it, or there is nothing left to decide in it.

        """
        with self._database.write(f"claim the case {case_id!r}") as connection:
            case = lock_case(connection, case_id)
            return change_case(connection, case, now, **claimed(case, holder, now, duration))

    def claim_next(self, wanted: CaseFilter, holder: str, *, reviewer: str, now: datetime, duration: timedelta) -> Case:
        """Give `holder` the lease on the first case of the queue that fits, is free, and that they may decide.

        Raises NotFound when there is none. `wanted.states` is not used.
        """
        first = _first(wanted, reviewer, now)
        with self._database.write("claim the next case") as connection:
            row = connection.execute(first.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                raise NotFound("No case that fits waits for a person; widen the filter, or come back later.")
            (case,) = records_of(connection, [row])
            return change_case(connection, case, now, **held_by(holder, now, duration))

    def next_case(self, wanted: CaseFilter, *, reviewer: str, now: datetime) -> tuple[Case, float] | None:
        """Return what `claim_next` would claim, and its key in the queue, without claiming it; None for nothing."""
        with self._database.read("look at the next case") as connection:
            row = connection.execute(_first(wanted, reviewer, now)).one_or_none()
            return None if row is None else (records_of(connection, [row])[0], row.queue_key)

    def release_case(self, case_id: str, holder: str, *, now: datetime) -> Case:
        """Take back `holder`'s lease on a case, if there is one. Raises NotFound, and Conflict for another's lease."""
        with self._database.write(f"release the case {case_id!r}") as connection:
            case = lock_case(connection, case_id)
            return change_case(connection, case, now, **FREE) if may_release(case, holder, now) else case


def insert_case(connection: Connection, case: Case) -> None:
    """Insert a new case, within the transaction of what opens it."""
    values = {name: getattr(case, name) for name in _COLUMNS} | FREE
    values |= {"queue_key": queue_key(connection, case), "lot": lot_of(case.case_id)}
    values["update_time"] = case.update_time or case.create_time
    connection.execute(cases.insert().values({name: _plain(value) for name, value in values.items()}))
    for table, column, items in (
        (case_brands, "brand_id", case.brand_ids),
        (case_reasons, "reason_code", case.reason_codes),
    ):
        if items:
            rows = [
                {"case_id": case.case_id, "position": position, column: item} for position, item in enumerate(items)
            ]
            connection.execute(table.insert(), rows)


def find_case(connection: Connection, case_id: str) -> Case:
    """Return a case. Raises NotFound."""
    return _found(connection, case_id, connection.execute(select(cases).where(cases.c.case_id == case_id)).first())


def lock_case(connection: Connection, case_id: str) -> Case:
    """Return a case, and keep it from changing elsewhere until the transaction ends. Raises NotFound."""
    locking = select(cases).where(cases.c.case_id == case_id).with_for_update()
    return _found(connection, case_id, connection.execute(locking).first())


def change_case(connection: Connection, case: Case, time: datetime, **values: Any) -> Case:
    """Change columns of a case under a new revision, and return it as it is then."""
    changed = {name: _plain(value) for name, value in values.items()}
    changed |= {"revision": case.revision + 1, "update_time": time}
    connection.execute(update(cases).where(cases.c.case_id == case.case_id).values(**changed))
    return find_case(connection, case.case_id)


def end_lease(connection: Connection, case: Case, time: datetime, state: CaseState, **values: Any) -> Case:
    """Bring a case into another state, in which nobody holds it."""
    return change_case(connection, case, time, state=state, **FREE, **values)


def unresolved_case(connection: Connection, decision_id: str) -> Case | None:
    """Return the newest case of a decision in which something is left to decide."""
    waiting = (cases.c.decision_id == decision_id, cases.c.state.in_([str(state) for state in UNRESOLVED]))
    newest = select(cases).where(*waiting).order_by(cases.c.create_time.desc(), cases.c.case_id.desc())
    row = connection.execute(newest.limit(1)).first()
    return None if row is None else records_of(connection, [row])[0]


def cases_where(connection: Connection, condition: ColumnElement[bool]) -> list[Case]:
    """Return the cases that meet a condition, the oldest first."""
    query = select(cases).where(condition).order_by(cases.c.create_time, cases.c.case_id)
    return records_of(connection, connection.execute(query).all())


def succeed_cases(
    connection: Connection, listing_id: str, time: datetime, *, case: Case | None, carried: Case | None
) -> str:
    """Overtake the cases of a listing that was decided anew, open the one that follows, and return its id or "".

    Without a `case` of its own the new decision still opens `carried` when a first review or a report about the listing
    waits: deciding a listing anew must not shake off what people said. Audits and appeals are about their decision and
    go on.
    """
    of = {"of_listing": listing_id}
    waits_for_report = connection.execute(_WAITING_REPORT, of).first() is not None
    reviewed = supersede(connection, listing_id, time)
    opened = case
    if opened is None and carried is not None and (waits_for_report or reviewed):
        opened = replace(carried, origin=CaseOrigin.REPORT) if waits_for_report else carried
    if opened is None:
        return ""
    insert_case(connection, opened)
    if waits_for_report:
        connection.execute(_JOIN_CASE, of | {"to_case": opened.case_id})
    return opened.case_id


def supersede(connection: Connection, listing_id: str, time: datetime) -> bool:
    """Overtake the open cases of a listing but audits; return whether one waited for a second review or a report."""
    waited = connection.scalars(_OVERTAKEN, {"of_listing": listing_id}).all()
    if waited:
        connection.execute(_SUPERSEDE, {"of_listing": listing_id, "since": time})
    return str(CaseState.SECOND_REVIEW) in waited


def _first(wanted: CaseFilter, reviewer: str, now: datetime) -> Select[Any]:
    free = fits(wanted, now, states=claimable(reviewer, now))
    return ordered(select(cases), CaseOrder.EXPECTED_HARM).where(free).limit(1)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value  # enums are strings that drivers do not know


def _found(connection: Connection, case_id: str, row: Row[Any] | None) -> Case:
    if row is None:
        raise NotFound(f"There is no case with the id {case_id!r}.")
    return records_of(connection, [row])[0]


def records_of(connection: Connection, rows: Iterable[Row[Any]]) -> list[Case]:
    """Return the cases of rows of `cases`, in their order."""
    found = list(rows)
    brands: dict[str, list[str]] = {}
    reasons: dict[str, list[str]] = {}
    for batch in in_batches([row.case_id for row in found]):
        for table, column, into in (
            (case_brands, case_brands.c.brand_id, brands),
            (case_reasons, case_reasons.c.reason_code, reasons),
        ):
            listed = select(table.c.case_id, column).where(table.c.case_id.in_(batch)).order_by(table.c.position)
            for case_id, item in connection.execute(listed):
                into.setdefault(case_id, []).append(item)
    return [_case(row, tuple(brands.get(row.case_id, ())), tuple(reasons.get(row.case_id, ()))) for row in found]


def _case(row: Row[Any], brand_ids: tuple[str, ...], reason_codes: tuple[str, ...]) -> Case:
    values = {name: getattr(row, name) for name in _COLUMNS}
    values |= {"origin": CaseOrigin(row.origin), "state": CaseState(row.state), "lease": lease_of(row)}
    return Case(**values, brand_ids=brand_ids, reason_codes=reason_codes)
