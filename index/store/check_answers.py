"""What did people answer to checks, and was it right? Nothing follows from an answer but that it is counted here.

Answers are told once they can no longer be undone, so that nobody takes back what they then know to be wrong.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, Select, cast, func, select, update

from index.case_records import CaseState
from index.check_records import Check, CheckAnswer, Checked
from index.errors import Conflict, NotFound
from index.insight import Span
from index.intervals import Proportion, proportion
from index.rulings import Resolution, Ruling
from index.store.checks import change_check, lock_check
from index.store.engine import Database
from index.store.gold import counts
from index.store.leases import FREE
from index.store.planning import Step, draft, plan
from index.store.requests import claim_request
from index.store.resolutions import Undone
from index.store.retry import run_again
from index.store.rulings import outcome_columns, outcome_of
from index.store.tables.cases import cases
from index.store.tables.checks import check_answers, checks, gold_cases
from index.store.tables.decisions import decisions

MOST_TOLD = 100


class CheckAnswerStore:
    """The part of the store that keeps answers to checks."""

    _database: Database

    @run_again
    def answer_check(self, check_id: str, ruling: Ruling) -> Resolution:
        """Write down what the holder of a check answers; with a request that came before, return what it made.

        It looks as `resolve_case` would make it, and raises as that does: NotFound, Conflict, KeyReused.
        """
        resolution_id = uuid.uuid4().hex
        with self._database.write(f"resolve the case {check_id!r}") as connection:
            earlier = claim_request(connection, ruling.request, resolution_id, ruling.time)
            if earlier is not None:
                return _found(connection, earlier)
            check = lock_check(connection, check_id)
            if check.case.state is not CaseState.OPEN:
                raise Conflict(f"The case {check_id!r} is {check.case.state} already; read it again.")
            step = plan(connection, check.case, ruling)
            resolution = draft(connection, check.case, ruling, step, resolution_id)
            _insert(connection, check, resolution)
            state = CaseState.SECOND_REVIEW if step is Step.FIRST_REVIEW else CaseState.RESOLVED
            change_check(connection, check, ruling.time, state=str(state), **FREE)
            return resolution

    @run_again
    def undo_check_answer(
        self, resolution_id: str, *, reason: str, time: datetime, reviewer: str, told_before: datetime
    ) -> Undone:
        """Withdraw an answer: the check waits again.

        Raises:
            NotFound: there is no such answer of `reviewer`'s.
            Conflict: it was given before `told_before`, so that they were told what is right.

        """
        with self._database.write(f"undo the resolution {resolution_id!r}") as connection:
            resolution = _found(connection, resolution_id)
            check = lock_check(connection, resolution.case_id)
            resolution = _found(connection, resolution_id)  # as it is now that nobody else changes it
            if check.reviewer != reviewer:
                raise NotFound(f"There is no resolution with the id {resolution_id!r}.")
            if not resolution.stands:
                return Undone(check.case, changed=False)
            if resolution.resolve_time <= told_before:
                raise Conflict(f"The resolution {resolution_id!r} answered a check, and you were told what is right.")
            undone = {"undo_time": time, "undo_reason": reason, "undone_by": reviewer}
            this = check_answers.c.resolution_id == resolution_id
            connection.execute(update(check_answers).where(this).values(**undone))
            check = change_check(connection, check, time, state=str(CaseState.OPEN), **FREE)
            return Undone(check.case, changed=True)

    def find_check_answer(self, resolution_id: str) -> Resolution | None:
        """Return an answer to a check as the resolution that it looks like, or None."""
        with self._database.read("read an answer to a check") as connection:
            found = _answers(connection, check_answers.c.resolution_id == resolution_id)
        return found[0] if found else None

    def check_answers_in(self, check_ids: Collection[str]) -> dict[str, tuple[Resolution, ...]]:
        """Return the answers to each of the checks that has any, undone ones too, the first first."""
        found: dict[str, tuple[Resolution, ...]] = {}
        with self._database.read("read answers to checks") as connection:
            for one in _answers(connection, check_answers.c.check_id.in_(sorted(check_ids))):
                found[one.case_id] = (*found.get(one.case_id, ()), one)
        return found

    def checked(self, reviewer: str, span: Span, *, told_before: datetime) -> Checked:
        """Return how somebody answered to checks in a span, of those that can be told."""
        told = _told(span, told_before).where(checks.c.reviewer == reviewer)
        tally = told.with_only_columns(func.count(), _agreed())
        newest = told.with_only_columns(
            check_answers, checks.c.gold_case_id, checks.c.right_verdict,
            cases.c.listing_id, gold_cases.c.note.label("why"),
        )  # fmt: skip
        with self._database.read("read how a person answers to checks") as connection:
            count, hits = connection.execute(tally).one()
            rows = connection.execute(newest.order_by(check_answers.c.number.desc()).limit(MOST_TOLD)).all()
        return Checked(agreed=proportion(hits, count), answers=tuple(_answer(row) for row in rows))

    def check_shares(self, span: Span, *, told_before: datetime) -> dict[str, Proportion]:
        """Return of everybody who answered to checks in a span the share that was right."""
        told = _told(span, told_before).with_only_columns(checks.c.reviewer, func.count().label("many"), _agreed())
        with self._database.read("read how people answer to checks") as connection:
            rows = connection.execute(told.group_by(checks.c.reviewer)).all()
        return {row.reviewer: proportion(row.agreed, row.many) for row in rows}


def _insert(connection: Connection, check: Check, resolution: Resolution) -> None:
    lease = check.case.lease
    line = {
        "resolution_id": resolution.resolution_id,
        "check_id": check.case.case_id,
        "agreed": resolution.outcome.verdict == check.right_verdict,
        "claim_time": None if lease is None else lease.claim_time,
        "answer_time": resolution.resolve_time,
        "undo_time": None,
        "undo_reason": "",
        "undone_by": "",
    }
    connection.execute(check_answers.insert().values(**line, **outcome_columns(resolution.outcome)))


def _told(span: Span, told_before: datetime) -> Select[Any]:
    """Select the answers of a span that stand, are told, and whose right answer is right still."""
    return (
        select(check_answers)
        .join_from(check_answers, checks, checks.c.check_id == check_answers.c.check_id)
        .join(cases, cases.c.case_id == checks.c.gold_case_id)
        .join(gold_cases, gold_cases.c.case_id == cases.c.case_id)
        .join(decisions, decisions.c.decision_id == cases.c.decision_id)
        .where(check_answers.c.answer_time >= span.start, check_answers.c.answer_time < span.end, counts())
        .where(check_answers.c.undo_time.is_(None), check_answers.c.answer_time <= told_before)
    )


def _agreed() -> ColumnElement[Any]:
    return func.coalesce(func.sum(cast(check_answers.c.agreed, Integer)), 0).label("agreed")


def _found(connection: Connection, resolution_id: str) -> Resolution:
    found = _answers(connection, check_answers.c.resolution_id == resolution_id)
    if not found:
        raise NotFound(f"There is no resolution with the id {resolution_id!r}.")
    return found[0]


def _answers(connection: Connection, condition: ColumnElement[bool]) -> list[Resolution]:
    query = select(check_answers, checks.c.decision_id, checks.c.reviewer, checks.c.state)
    query = query.join(checks, checks.c.check_id == check_answers.c.check_id).where(condition)
    return [_resolution(row) for row in connection.execute(query.order_by(check_answers.c.number))]


def _resolution(row: Row[Any]) -> Resolution:
    return Resolution(
        resolution_id=row.resolution_id,
        case_id=row.check_id,
        decision_id=row.decision_id,
        outcome=outcome_of(row),
        reviewer=row.reviewer,
        resolve_time=row.answer_time,
        in_force=row.state != str(CaseState.SECOND_REVIEW),
        undo_time=row.undo_time,
        undo_reason=row.undo_reason,
        undone_by=row.undone_by,
    )


def _answer(row: Row[Any]) -> CheckAnswer:
    return CheckAnswer(
        check_id=row.check_id,
        gold_case_id=row.gold_case_id,
        listing_id=row.listing_id,
        verdict=row.verdict,
        right_verdict=row.right_verdict,
        agreed=row.agreed,
        note=row.why,
        answer_time=row.answer_time,
    )
