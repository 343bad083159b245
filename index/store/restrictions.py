"""Is a listing down, since when without a break, and upon which reports? What restricts anew, and what only goes on.

A restriction begins when TAKEDOWN comes into force on what was not taken down. It goes on while people confirm it, deny
an appeal, or undo what had lifted it, and while the listing is decided anew as TAKEDOWN at once. Any other verdict
lifts it: what a marketplace does with a listing in REVIEW is not known here.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, exists, select

from index.decision_records import DecisionRecord
from index.evidence_records import Restriction
from index.reports import Report
from index.rulings import Resolution
from index.store.decisions import find_decision, records_where
from index.store.legal_steps import steps_about
from index.store.reports import reports_on
from index.store.rulings import all_on, in_force
from index.store.tables.cases import reports, resolutions
from index.store.tables.decisions import decisions

TAKEDOWN = "TAKEDOWN"
# How many decisions back the beginning is sought; a listing screened daily is down for more than half a year then.
_MOST_DECISIONS = 200


def restriction_under(connection: Connection, decision_id: str) -> Restriction | None:
    """Return the restriction that a decision's verdict in force belongs to, None when that takes nothing down."""
    decision = find_decision(connection, decision_id)
    held = in_force(connection, decision)
    if held.verdict != TAKEDOWN:
        return None
    under = [decision]
    while held.since == under[-1].create_time and len(under) < _MOST_DECISIONS:
        before = _before(connection, under[-1])
        earlier = None if before is None else in_force(connection, before, at=under[-1].create_time)
        if before is None or earlier is None or earlier.verdict != TAKEDOWN:
            break
        held = earlier
        under.append(before)
    steps = steps_about(connection, [one.decision_id for one in under])
    return Restriction(since=held.since, steps=tuple(steps))


def begins_with(connection: Connection, decision: DecisionRecord) -> bool:
    """Tell whether a takedown by the service itself found the listing up: no decision before had taken it down."""
    before = _before(connection, decision)
    return before is None or in_force(connection, before, at=decision.create_time).verdict != TAKEDOWN


def begins_by(connection: Connection, resolution: Resolution) -> bool:
    """Tell whether a person's takedown found the listing up; of a decision that was outgrown by then it did nothing."""
    decision = find_decision(connection, resolution.decision_id)
    verdict = decision.verdict
    for earlier in all_on(connection, decision.decision_id):
        if earlier.resolution_id == resolution.resolution_id:
            break
        if earlier.held_at(resolution.resolve_time):
            verdict = earlier.outcome.verdict
    return verdict != TAKEDOWN and not _outgrown(connection, resolution)


def reports_behind(connection: Connection, listing_id: str, moment: datetime) -> tuple[Report, ...]:
    """Return what had been reported about a listing by a moment and was not declined then, the oldest first.

    What became of the reports later, when an appeal was granted, say, changes nothing about what led to a takedown.
    """
    joined = select(reports.c.report_id, reports.c.decision_id).join_from(
        reports, resolutions, reports.c.settled_by == resolutions.c.resolution_id
    )
    settled = joined.where(reports.c.listing_id == listing_id, resolutions.c.resolve_time < moment)
    verdicts: dict[str, str] = {}
    declined = set()
    for report_id, decision_id in connection.execute(settled).all():
        if decision_id not in verdicts:
            verdicts[decision_id] = in_force(connection, find_decision(connection, decision_id), at=moment).verdict
        if verdicts[decision_id] != TAKEDOWN:
            declined.add(report_id)
    return tuple(one for one in reports_on(connection, listing_id, until=moment) if one.report_id not in declined)


def _before(connection: Connection, decision: DecisionRecord) -> DecisionRecord | None:
    """Return the decision on the same listing before this one."""
    number = select(decisions.c.number).where(decisions.c.decision_id == decision.decision_id).scalar_subquery()
    earlier = select(decisions).where(decisions.c.listing_id == decision.listing_id, decisions.c.number < number)
    found = records_where(connection, earlier.order_by(decisions.c.number.desc()).limit(1))
    return found[0] if found else None


def _outgrown(connection: Connection, resolution: Resolution) -> bool:
    own, later = decisions.alias("own"), decisions.alias("later")
    follows = (later.c.listing_id == own.c.listing_id, later.c.number > own.c.number)
    newer = exists().where(
        own.c.decision_id == resolution.decision_id, *follows, later.c.create_time <= resolution.resolve_time
    )
    return bool(connection.execute(select(newer)).scalar_one())
