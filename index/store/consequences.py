"""What follows when a person's verdict comes into force, and when it no longer is.

In the transaction of the resolution: the listing's removal as a counterfeit follows the verdict, reports about it are
settled, the verdict is written down for what is learnt from it, and an event tells the pipeline. A decision that the
listing has outgrown, because it was decided anew since, changes nothing for the listing and tells nobody: its reports
are settled and its verdict is learnt from all the same.

The counters are taken in the order changes, verdicts, events everywhere, so that no two transactions wait for each
other.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select, update

from index.case_records import Case, CaseOrigin
from index.decision_records import DecisionRecord, EventKind
from index.reports import ReportState
from index.rulings import Resolution
from index.store.decisions import append_event, find_decision, latest
from index.store.removals import RemovalChange, reinstate, restore, take_down
from index.store.rulings import in_force, last_in_force
from index.store.tables.cases import cases, reports, resolutions
from index.store.verdicts import add_verdict
from index.verdicts import HumanVerdict, VerdictSource


def bring_into_force(
    connection: Connection, case: Case, resolution: Resolution, *, kind: EventKind, time: datetime
) -> None:
    """Let everything follow that a verdict asks for."""
    decision = find_decision(connection, case.decision_id)
    current = _is_current(connection, decision)
    change = _follow(connection, decision, resolution, current=current, time=time)
    if change is not None:
        values = {"removal_changed": True, "removal_before": change.before}
        this = resolutions.c.resolution_id == resolution.resolution_id
        connection.execute(update(resolutions).where(this).values(**values))
    _settle_reports(connection, decision, resolution)
    add_verdict(connection, _verdict(case, decision, resolution, time))
    if current:
        verdict = resolution.outcome.verdict
        append_event(connection, kind, decision, create_time=time, verdict=verdict, case_id=case.case_id)


def take_back(connection: Connection, case: Case, undone: Resolution, time: datetime) -> None:
    """Let what was in force before an undone resolution be so again."""
    decision = find_decision(connection, case.decision_id)
    this = select(resolutions.c.removal_changed, resolutions.c.removal_before)
    row = connection.execute(this.where(resolutions.c.resolution_id == undone.resolution_id)).one()
    if row.removal_changed:
        restore(connection, decision, RemovalChange(before=row.removal_before))
    before = last_in_force(connection, decision.decision_id)
    _unsettle_reports(connection, decision, undone, before)
    add_verdict(connection, _verdict(case, decision, undone, time, lifted=True))
    if before is not None:
        # The latest row of a decision counts, so the verdict that holds again is written again.
        add_verdict(connection, _verdict(_case_of(connection, case, before), decision, before, time))
    if _is_current(connection, decision):
        verdict = in_force(connection, decision).verdict
        append_event(connection, EventKind.UNDONE, decision, create_time=time, verdict=verdict, case_id=case.case_id)


def _is_current(connection: Connection, decision: DecisionRecord) -> bool:
    newest = latest(connection, decision.listing_id)
    return newest is not None and newest.decision_id == decision.decision_id


def _follow(
    connection: Connection, decision: DecisionRecord, resolution: Resolution, *, current: bool, time: datetime
) -> RemovalChange | None:
    if not resolution.outcome.takes_down:
        return reinstate(connection, decision)
    return take_down(connection, decision, time) if current else None


def _settle_reports(connection: Connection, decision: DecisionRecord, resolution: Resolution) -> None:
    """Answer the reports that wait, and those that an earlier resolution on the decision answered."""
    state = str(ReportState.UPHELD if resolution.outcome.takes_down else ReportState.DECLINED)
    answered = update(reports).where(reports.c.decision_id == decision.decision_id)
    connection.execute(answered.values(state=state))
    waiting = (reports.c.listing_id == decision.listing_id, reports.c.state == str(ReportState.RECEIVED))
    # A report that came before the listing was screened did not know whose it was.
    settled = {"state": state, "decision_id": decision.decision_id, "settled_by": resolution.resolution_id}
    settled |= {"seller_id": decision.seller_id}
    connection.execute(update(reports).where(*waiting).values(**settled))


def _unsettle_reports(
    connection: Connection, decision: DecisionRecord, undone: Resolution, before: Resolution | None
) -> None:
    own = update(reports).where(reports.c.settled_by == undone.resolution_id)
    connection.execute(own.values(state=str(ReportState.RECEIVED), decision_id="", settled_by=""))
    if before is not None:
        state = str(ReportState.UPHELD if before.outcome.takes_down else ReportState.DECLINED)
        others = update(reports).where(reports.c.decision_id == decision.decision_id)
        connection.execute(others.values(state=state))


def _verdict(
    case: Case, decision: DecisionRecord, resolution: Resolution, time: datetime, *, lifted: bool = False
) -> HumanVerdict:
    return HumanVerdict(
        number=0,
        decision_id=decision.decision_id,
        listing_id=decision.listing_id,
        seller_id=decision.seller_id,
        brand=decision.brand,
        infringing=resolution.outcome.takes_down,
        source=_source(case, resolution),
        machine_verdict=decision.verdict,
        probability=case.probability,
        uncalibrated_probability=case.uncalibrated_probability,
        certificate_id=case.certificate_id,
        create_time=time,
        undone=lifted,
    )


def _source(case: Case, resolution: Resolution) -> VerdictSource:
    if resolution.appeal_id:
        return VerdictSource.APPEAL
    return VerdictSource.AUDIT if case.origin is CaseOrigin.AUDIT else VerdictSource.REVIEW


def _case_of(connection: Connection, case: Case, resolution: Resolution) -> Case:
    """Return the case of a resolution on the same decision: only its origin can differ."""
    if resolution.case_id == case.case_id:
        return case
    origin = connection.scalars(select(cases.c.origin).where(cases.c.case_id == resolution.case_id)).one()
    return replace(case, origin=CaseOrigin(origin))
