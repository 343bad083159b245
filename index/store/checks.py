"""Which gold case is shown to whom, and who holds it? Checks: no cases, but claimed and let go as cases are.

Two people never share a check, and nobody has one gold case twice. What the reviewer sees is made of the gold case and
of the disguise that came with it, moved in time: whatever is read here looks like a case that was opened lately.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, or_, select, true, update

from index.case_records import Case, CaseFilter, CaseState
from index.check_records import Beside, Check, Disguise, Gold
from index.errors import Conflict, NotFound
from index.store.case_queue import fits
from index.store.cases import records_of
from index.store.decisions import find_decision
from index.store.engine import Database, insert_new
from index.store.leases import FREE, claimed, held_by, lease_of, may_release
from index.store.tables.cases import cases
from index.store.tables.checks import check_answers, checks


class CheckStore:
    """The part of the store that keeps checks and leases on them."""

    _database: Database

    def hand_out_check(
        self, gold: Gold, disguise: Disguise, holder: str, *, reviewer: str, now: datetime, duration: timedelta
    ) -> bool:
        """Make a check with a gold case and give `holder` the lease on it; False when they had that case before."""
        row = {name: getattr(disguise, name) for name in Disguise.__dataclass_fields__}
        row |= {"gold_case_id": gold.case_id, "reviewer": reviewer, "right_verdict": gold.verdict}
        row |= {"state": str(CaseState.OPEN), "revision": 1, "update_time": now, **held_by(holder, now, duration)}
        with self._database.write("hand out a check") as connection:
            return insert_new(connection, checks, [row]) == 1

    def find_check(self, *, check_id: str = "", decision_id: str = "") -> Check | None:
        """Return a check by its own id or that of the decision that it shows, or None."""
        this = checks.c.check_id == check_id if check_id else checks.c.decision_id == decision_id
        with self._database.read("read a check") as connection:
            found = _records(connection, connection.execute(select(checks).where(this)).all())
        return found[0] if found else None

    def checks_beside(self, reviewer: str, wanted: CaseFilter, *, now: datetime, told_before: datetime) -> Beside:
        """Return what somebody's list of cases has among it and leaves out, for checks that they were not told of yet.

        Who answered one before `told_before` was told.
        """
        like = replace(wanted, created_from=None, created_before=None, except_ids=(), holder="")
        query = select(checks).where(checks.c.reviewer == reviewer, _untold(told_before))
        alike = query.join(cases, cases.c.case_id == checks.c.gold_case_id).where(fits(like, now, states=true()))
        with self._database.read("read who has which checks") as connection:
            untold = _records(connection, connection.execute(query).all())
            if not untold:
                return Beside()
            names = {row.check_id for row in connection.execute(alike)}
        fit = [one for one in untold if one.case.case_id in names and _lies_in(one.case, wanted, now)]
        return Beside(
            checks=tuple((one.case, one.queue_key) for one in fit),
            veiled=frozenset(one.case.listing_id for one in untold),
        )

    def untold_checks(self, reviewer: str, *, told_before: datetime) -> tuple[Check, ...]:
        """Return the checks that somebody was not told of yet."""
        query = select(checks).where(checks.c.reviewer == reviewer, _untold(told_before))
        with self._database.read("read who has which checks") as connection:
            return tuple(_records(connection, connection.execute(query).all()))

    def claim_check(self, check_id: str, holder: str, *, reviewer: str, now: datetime, duration: timedelta) -> Case:
        """Give `holder` the lease on a check, or renew theirs.

        Raises:
            NotFound: there is no such check.
            Conflict: somebody else holds it, it was answered, or it is another person's: that ends it.

        """
        with self._database.write(f"claim the case {check_id!r}") as connection:
            check = lock_check(connection, check_id)
            values = claimed(check.case, holder, now, duration)
            if check.case.state is not CaseState.OPEN:
                raise Conflict(f"The case {check_id!r} is {check.case.state}; nothing is left to decide in it.")
            if check.reviewer == reviewer:
                return change_check(connection, check, now, **values).case
            change_check(connection, check, now, state=str(CaseState.SUPERSEDED), **FREE)
        raise Conflict(f"The case {check_id!r} is {CaseState.SUPERSEDED}; nothing is left to decide in it.")

    def release_check(self, check_id: str, holder: str, *, now: datetime) -> Case:
        """Take back `holder`'s lease on a check, if there is one. Raises NotFound, and Conflict for another's lease."""
        with self._database.write(f"release the case {check_id!r}") as connection:
            check = lock_check(connection, check_id)
            free = may_release(check.case, holder, now)
            return change_check(connection, check, now, **FREE).case if free else check.case


def lock_check(connection: Connection, check_id: str) -> Check:
    """Return a check, and keep it from changing elsewhere until the transaction ends. Raises NotFound."""
    row = connection.execute(select(checks).where(checks.c.check_id == check_id).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no case with the id {check_id!r}.")
    return _records(connection, [row])[0]


def change_check(connection: Connection, check: Check, time: datetime, **values: Any) -> Check:
    """Change columns of a check under a new revision, and return it as it is then."""
    this = checks.c.check_id == check.case.case_id
    changed = values | {"revision": check.case.revision + 1, "update_time": time}
    connection.execute(update(checks).where(this).values(**changed))
    return _records(connection, [connection.execute(select(checks).where(this)).one()])[0]


def _untold(told_before: datetime) -> ColumnElement[bool]:
    told = exists().where(
        check_answers.c.check_id == checks.c.check_id,
        check_answers.c.undo_time.is_(None),
        check_answers.c.answer_time <= told_before,
    )
    return and_(checks.c.state != str(CaseState.SUPERSEDED), or_(checks.c.state == str(CaseState.OPEN), ~told))


def _lies_in(case: Case, wanted: CaseFilter, now: datetime) -> bool:
    """Tell whether a check is in the states and times that are asked for, held by that person, and not left out."""
    states = wanted.states or (CaseState.OPEN,)
    begun = wanted.created_from is None or case.create_time >= wanted.created_from
    ended = wanted.created_before is not None and case.create_time >= wanted.created_before
    lease = case.lease_at(now)
    held = not wanted.holder or (lease is not None and lease.holder == wanted.holder)
    return case.state_at(now) in states and begun and not ended and held and case.case_id not in wanted.except_ids


def _records(connection: Connection, rows: Iterable[Row[Any]]) -> list[Check]:
    found = list(rows)
    shown = sorted({row.gold_case_id for row in found})
    golds = records_of(connection, connection.execute(select(cases).where(cases.c.case_id.in_(shown))).all())
    by_id = {case.case_id: case for case in golds}
    return [_check(connection, row, by_id[row.gold_case_id]) for row in found]


def _check(connection: Connection, row: Row[Any], gold: Case) -> Check:
    moved = row.create_time - gold.create_time
    case = replace(
        gold,
        case_id=row.check_id,
        decision_id=row.decision_id,
        create_time=row.create_time,
        due_time=None if gold.due_time is None else gold.due_time + moved,
        expected_harm=row.expected_harm,
        drawn=row.drawn,
        state=CaseState(row.state),
        lease=lease_of(row),
        update_time=row.update_time,
        revision=row.revision,
    )
    decided = find_decision(connection, gold.decision_id)
    time = decided.create_time + moved
    return Check(
        case=case,
        decision=replace(decided, decision_id=row.decision_id, create_time=time, payload=row.payload),
        queue_key=row.queue_key,
        gold_case=gold,
        reviewer=row.reviewer,
        right_verdict=row.right_verdict,
    )
