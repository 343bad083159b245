"""How does what a person decides come into force? Each resolution, and each undoing of one, in one transaction.

A ruling on an open case comes into force at once, unless it is a takedown of high impact: that waits for a second
person, who confirms or overrules it. A ruling on an appeal is given by somebody who took no part in the decision. What
coming into force means stands in `index.store.consequences`, who may decide what in `index.store.planning`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select, update

from index.audit.entries import Act, Entry
from index.case_records import Case, CaseOrigin, CaseState
from index.decision_records import EventKind
from index.errors import Conflict
from index.rulings import UNDECIDED, AppealState, Resolution, Ruling
from index.store.audit import enter
from index.store.cases import change_case, end_lease, find_case, lock_case
from index.store.consequences import bring_into_force, take_back
from index.store.decisions import latest, lock_decision
from index.store.engine import Database
from index.store.planning import Step, draft, pending, plan
from index.store.requests import claim_request, rename_subject
from index.store.retry import run_again
from index.store.reviews import ReviewKind, note_review
from index.store.rulings import find_resolution, insert_resolution, last_in_force, outcome_columns, standing
from index.store.tables.cases import appeals, batch_cases, resolutions


@dataclass(frozen=True)
class Undone:
    """The case after an undoing; `changed` is False when it was undone already."""

    case: Case
    changed: bool


class ResolutionStore:
    """The part of the store in which people decide."""

    _database: Database

    @run_again
    def resolve_case(self, case_id: str, ruling: Ruling) -> Resolution:
        """Resolve a case; with a request that came before, return the resolution that it made.

        Raises:
            NotFound: there is no such case.
            Conflict: the lease has ended, the case changed, or nothing is left to decide in it.
            NotPermitted: the reviewer took part in what is to be judged.
            KeyReused: the idempotency key was another request's.

        """
        resolution_id = uuid.uuid4().hex
        with self._database.write(f"resolve the case {case_id!r}") as connection:
            earlier = claim_request(connection, ruling.request, resolution_id, ruling.time)
            if earlier is not None:
                return find_resolution(connection, earlier)
            lock_decision(connection, find_case(connection, case_id).decision_id)
            case = lock_case(connection, case_id)
            resolution = _carry_out(connection, case, ruling, resolution_id)
            enter(connection, _entry(resolution, ruling))
            if resolution.resolution_id != resolution_id:  # the first reviewer's, confirmed
                rename_subject(connection, ruling.request, resolution.resolution_id)
            return resolution

    def preview_case(self, case_id: str, ruling: Ruling) -> Resolution:
        """Return the resolution that `resolve_case` would make, without an id. Raises as it does."""
        with self._database.read("preview a resolution") as connection:
            case = find_case(connection, case_id)
            step = plan(connection, case, ruling)
            return replace(draft(connection, case, ruling, step, ""), resolution_id="")

    @run_again
    def undo_resolution(self, resolution_id: str, *, reason: str, time: datetime, reviewer: str = "") -> Undone:
        """Undo a resolution: the verdict that was in force before it is in force again. `reviewer` is who undoes it.

        Raises:
            NotFound: there is no such resolution.
            Conflict: a later resolution or an appeal rests on it.

        """
        with self._database.write(f"undo the resolution {resolution_id!r}") as connection:
            found = find_resolution(connection, resolution_id)
            lock_decision(connection, found.decision_id)
            case = lock_case(connection, found.case_id)
            found = find_resolution(connection, resolution_id)  # as it is now that nobody else changes it
            if not found.stands:
                return Undone(case, changed=False)
            check_nothing_rests_on(connection, found)
            _mark_undone(connection, found, reason=reason, time=time, reviewer=reviewer)
            case = _reopen(connection, case, found, time)
            if found.in_force:
                take_back(connection, case, found, time)
            return Undone(case, changed=True)


def check_nothing_rests_on(
    connection: Connection, resolution: Resolution, *, but: frozenset[str] = frozenset()
) -> None:
    """Raise Conflict when a later resolution, `but` some, or an appeal rests on this one."""
    stand = [one.resolution_id for one in standing(connection, resolution.decision_id)]
    later = [one for one in stand[stand.index(resolution.resolution_id) + 1 :] if one not in but]
    if later:
        raise Conflict(f"The resolution {later[0]!r} rests on {resolution.resolution_id!r}; undo that one first.")
    undecided = [str(state) for state in UNDECIDED]
    waiting = (appeals.c.decision_id == resolution.decision_id, appeals.c.state.in_(undecided))
    appeal_id = connection.scalars(select(appeals.c.appeal_id).where(*waiting)).first()
    if appeal_id is not None:
        raise Conflict(
            f"The appeal {appeal_id!r} rests on the resolution {resolution.resolution_id!r}; decide the appeal instead."
        )


def _carry_out(connection: Connection, case: Case, ruling: Ruling, resolution_id: str) -> Resolution:
    step = plan(connection, case, ruling)
    resolution = draft(connection, case, ruling, step, resolution_id)
    _note_review(connection, case, ruling, step, resolution.resolution_id)
    if step is Step.FIRST_REVIEW:
        insert_resolution(connection, resolution, removal_changed=False)
        end_lease(connection, case, ruling.time, CaseState.SECOND_REVIEW)
        _note_in_batch(connection, case, ruling, resolution)
        return resolution
    if step is Step.CONFIRM:
        _confirm(connection, resolution)
    else:
        if step is Step.OVERRULE:
            overruled = pending(connection, case)
            why = "overruled by the second review"
            _mark_undone(connection, overruled, reason=why, time=ruling.time, reviewer=ruling.reviewer)
        insert_resolution(connection, resolution, removal_changed=False)
    if step is Step.APPEAL:
        _answer_appeal(connection, resolution)
    _note_in_batch(connection, case, ruling, resolution)
    case = end_lease(connection, case, ruling.time, CaseState.RESOLVED)
    kind = EventKind.APPEAL_DECIDED if step is Step.APPEAL else EventKind.RESOLVED
    bring_into_force(connection, case, resolution, kind=kind, time=ruling.time)
    return resolution


def _note_review(connection: Connection, case: Case, ruling: Ruling, step: Step, resolution_id: str) -> None:
    """Write down who answered what, and which earlier answer is looked at again by that."""
    if step in (Step.CONFIRM, Step.OVERRULE):
        kind, judges = ReviewKind.SECOND_REVIEW, pending(connection, case).resolution_id
    else:
        kind = ReviewKind.APPEAL if step is Step.APPEAL else ReviewKind.DECISION
        before = last_in_force(connection, case.decision_id)
        judges = "" if before is None else before.resolution_id
    note_review(connection, case, ruling, kind, resolution_id=resolution_id, judges=judges)


def _confirm(connection: Connection, resolution: Resolution) -> None:
    values = outcome_columns(resolution.outcome) | {
        "second_reviewer": resolution.second_reviewer,
        "resolve_time": resolution.resolve_time,
        "in_force": True,
    }
    this = resolutions.c.resolution_id == resolution.resolution_id
    connection.execute(update(resolutions).where(this).values(**values))


def _answer_appeal(connection: Connection, resolution: Resolution) -> None:
    outcome = resolution.outcome
    connection.execute(
        update(appeals)
        .where(appeals.c.appeal_id == resolution.appeal_id)
        .values(
            state=str(AppealState.DENIED if outcome.takes_down else AppealState.GRANTED),
            reviewer=resolution.reviewer,
            answer="" if outcome.statement is None else outcome.statement.explanation,
            decide_time=resolution.resolve_time,
        )
    )


def _mark_undone(connection: Connection, resolution: Resolution, *, reason: str, time: datetime, reviewer: str) -> None:
    this = resolutions.c.resolution_id == resolution.resolution_id
    connection.execute(update(resolutions).where(this).values(undo_time=time, undo_reason=reason, undone_by=reviewer))
    facts = {"case": resolution.case_id, "decision": resolution.decision_id}
    enter(connection, Entry(act=Act.VERDICT_UNDONE, subject=resolution.resolution_id, actor=reviewer, facts=facts))


def _entry(resolution: Resolution, ruling: Ruling) -> Entry:
    return Entry(
        act=Act.VERDICT_GIVEN,
        subject=resolution.resolution_id,
        actor=ruling.reviewer,
        facts={
            "case": resolution.case_id,
            "decision": resolution.decision_id,
            "verdict": resolution.outcome.verdict,
            "reason_code": resolution.outcome.reason_code,
            "appeal": resolution.appeal_id,
            "in_force": resolution.in_force,
        },
    )


def _reopen(connection: Connection, case: Case, undone: Resolution, time: datetime) -> Case:
    """Bring a case back to where it stood before a resolution."""
    if undone.appeal_id:
        values = {"state": str(AppealState.RECEIVED), "reviewer": "", "answer": "", "decide_time": None}
        connection.execute(update(appeals).where(appeals.c.appeal_id == undone.appeal_id).values(**values))
        return end_lease(connection, case, time, CaseState.APPEALED)
    if case.state is CaseState.SUPERSEDED:
        return change_case(connection, case, time)
    newest = latest(connection, case.listing_id)
    decided_anew = newest is not None and newest.decision_id != case.decision_id
    if decided_anew and case.origin is not CaseOrigin.AUDIT:
        return end_lease(connection, case, time, CaseState.SUPERSEDED)
    return end_lease(connection, case, time, CaseState.OPEN)


def _note_in_batch(connection: Connection, case: Case, ruling: Ruling, resolution: Resolution) -> None:
    if ruling.batch_id:
        this = (batch_cases.c.batch_id == ruling.batch_id, batch_cases.c.case_id == case.case_id)
        connection.execute(update(batch_cases).where(*this).values(resolution_id=resolution.resolution_id))
