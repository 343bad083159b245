"""May this person decide this case now, and as what? The plan of a resolution, before anything is written.

`index.store.resolutions` carries it out; a preview stops here.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import replace

from sqlalchemy import Connection, select

from index.case_records import Case, CaseOrigin, CaseState
from index.errors import Conflict, NotPermitted
from index.rulings import UNDECIDED, Resolution, Ruling
from index.store.rulings import all_on, standing
from index.store.tables.cases import appeals


class Step(enum.Enum):
    """What a ruling is for its case."""

    DECIDE = enum.auto()
    FIRST_REVIEW = enum.auto()
    CONFIRM = enum.auto()
    OVERRULE = enum.auto()
    APPEAL = enum.auto()


def plan(connection: Connection, case: Case, ruling: Ruling) -> Step:
    """Say what the ruling is for the case as it stands. Raises Conflict or NotPermitted when it cannot be."""
    if case.state in (CaseState.RESOLVED, CaseState.SUPERSEDED):
        raise Conflict(f"The case {case.case_id!r} is {case.state} already; read it again.")
    _check_lease(case, ruling)
    if ruling.revision is not None and ruling.revision != case.revision:
        raise Conflict(f"The case {case.case_id!r} was changed since it was read; read it again, and decide anew.")
    takes_down = ruling.outcome.takes_down
    if case.state is CaseState.APPEALED:
        appeal_id = _appeal_of(connection, case)
        judged = [one for one in all_on(connection, case.decision_id) if one.appeal_id != appeal_id]
        _check_apart(ruling, judged, "the decision that the appeal is about")
        return Step.APPEAL
    if case.state is CaseState.SECOND_REVIEW:
        _check_apart(ruling, [pending(connection, case)], "the takedown that waits for a second person")
        return Step.CONFIRM if takes_down else Step.OVERRULE
    threshold = ruling.second_review_harm
    high = takes_down and threshold is not None and case.expected_harm >= threshold
    return Step.FIRST_REVIEW if high else Step.DECIDE


def draft(connection: Connection, case: Case, ruling: Ruling, step: Step, resolution_id: str) -> Resolution:
    """Write the resolution down: a new one, or the first reviewer's with the second person's name and words."""
    outcome = ruling.outcome.detected(automatically=case.origin is not CaseOrigin.REPORT)
    if step is Step.CONFIRM:
        first = pending(connection, case)
        note = outcome.note or first.outcome.note
        return replace(
            first,
            outcome=replace(outcome, note=note),
            second_reviewer=ruling.reviewer,
            resolve_time=ruling.time,
            in_force=True,
        )
    return Resolution(
        resolution_id=resolution_id,
        case_id=case.case_id,
        decision_id=case.decision_id,
        outcome=outcome,
        reviewer=ruling.reviewer,
        resolve_time=ruling.time,
        batch_id=ruling.batch_id,
        appeal_id=_appeal_of(connection, case) if step is Step.APPEAL else "",
        in_force=step is not Step.FIRST_REVIEW,
    )


def _check_lease(case: Case, ruling: Ruling) -> None:
    lease = case.lease_at(ruling.time)
    if ruling.lease_token is None:
        if lease is not None and lease.holder != ruling.holder:
            raise Conflict(f"Somebody else holds the case {case.case_id!r} until {lease.expire_time.isoformat()}.")
        return
    if (
        lease is None
        or lease.holder != ruling.holder
        or not secrets.compare_digest(lease.token.encode(), ruling.lease_token.encode())
    ):
        raise Conflict(f"Your lease on the case {case.case_id!r} has ended; read it again, claim it, and decide anew.")


def _check_apart(ruling: Ruling, judged: list[Resolution], what: str) -> None:
    people = {person for one in judged for person in (one.reviewer, one.second_reviewer)}
    if ruling.reviewer in people:
        raise NotPermitted(f"You took part in {what}; another person must decide.")


def pending(connection: Connection, case: Case) -> Resolution:
    """Return the first review of a case that waits for the second one."""
    waiting = (one for one in standing(connection, case.decision_id) if not one.in_force)
    return next(one for one in waiting if one.case_id == case.case_id)


def _appeal_of(connection: Connection, case: Case) -> str:
    """Return the id of the appeal that a case waits to decide."""
    undecided = [str(state) for state in UNDECIDED]
    this = (appeals.c.case_id == case.case_id, appeals.c.state.in_(undecided))
    return str(connection.scalars(select(appeals.c.appeal_id).where(*this)).one())
