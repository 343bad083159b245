"""What does a client see of a case? Domain values to CaseService's messages.

A list shows of each decision only what names it; GetCase shows it whole, as it was recorded. The lease's token goes to
its holder only.
"""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from index.case_records import Case
from index.check_records import Gold
from index.reports import Notice, Report, ReporterRecord
from index.rulings import Appeal, Outcome, Resolution, Statement
from serving.case_file import CaseFile
from serving.wire.case import ORIGINS, STATES
from serving.wire.complaint import REPORTERS
from serving.wire.outcome import GROUNDS
from touchstone.moderation.v1 import case_pb2, decision_pb2


def from_file(file: CaseFile, *, viewer: str) -> case_pb2.Case:
    """Translate a whole case for `viewer`, a name or ""; without one, who gave notice stays untold."""
    message = from_case(file.case, file.resolutions, now=file.read_time, viewer=viewer)
    message.decision.CopyFrom(decision_pb2.Decision.FromString(file.decision.payload))
    message.reports.extend(from_report(report) for report in file.reports)
    message.appeals.extend(from_appeal(appeal) for appeal in file.appeals)
    for report in message.reports:
        record = file.reporters.get(report.reporter_id, ReporterRecord())
        report.reporter_record.upheld_count = record.upheld
        report.reporter_record.declined_count = record.declined
        report.reporter_record.reliability = record.reliability
        if not viewer and report.HasField("notice"):
            report.notice.ClearField("notifier_name")
            report.notice.ClearField("notifier_email")
    return message


def from_case(
    case: Case, resolutions: tuple[Resolution, ...] = (), *, now: datetime, viewer: str = ""
) -> case_pb2.Case:
    """Translate a case for a list: its decision is only named."""
    lease = case.lease_at(now)
    told = None
    if lease is not None:
        told = case_pb2.CaseLease(
            holder=lease.holder,
            expire_time=_time(lease.expire_time),
            lease_token=lease.token if viewer and viewer == lease.holder else "",
        )
    return case_pb2.Case(
        case_id=case.case_id,
        state=STATES[case.state_at(now)],
        origin=ORIGINS[case.origin],
        decision=decision_pb2.Decision(
            decision_id=case.decision_id,
            listing_id=case.listing_id,
            verdict=_verdict(case.verdict),
            counterfeit_probability=case.probability,
        ),
        seller_id=case.seller_id,
        brand_ids=case.brand_ids,
        expected_harm=case.expected_harm,
        lease=told,
        resolutions=[from_resolution(resolution) for resolution in resolutions],
        etag=str(case.revision),
        create_time=_time(case.create_time),
        update_time=_time(case.update_time or case.create_time),
        due_time=_time(case.due_time),
        brand=case.brand,
        reason_codes=case.reason_codes,
        drawn=case.drawn,
        market=case.market,
    )


def from_resolution(resolution: Resolution) -> case_pb2.Resolution:
    """Translate a decision by a person."""
    return case_pb2.Resolution(
        resolution_id=resolution.resolution_id,
        outcome=_outcome(resolution.outcome),
        reviewer=resolution.reviewer,
        second_reviewer=resolution.second_reviewer,
        batch_id=resolution.batch_id,
        resolve_time=_time(resolution.resolve_time),
        undo_time=_time(resolution.undo_time),
        undo_reason=resolution.undo_reason,
        undone_by=resolution.undone_by,
    )


def from_gold(gold: Gold) -> case_pb2.GoldMark:
    """Translate the mark of a gold case."""
    return case_pb2.GoldMark(
        verdict=_verdict(gold.verdict),
        note=gold.note,
        reviewer=gold.marked_by,
        mark_time=_time(gold.mark_time),
    )


def from_report(report: Report) -> case_pb2.Report:
    """Translate a report."""
    return case_pb2.Report(
        report_id=report.report_id,
        listing_id=report.listing_id,
        reporter_id=report.reporter_id,
        reporter_type=REPORTERS[report.reporter_type],
        reason_code=report.reason_code,
        text=report.text,
        notice=None if report.notice is None else _notice(report.notice),
        state=case_pb2.ReportState.Value(f"REPORT_STATE_{report.state.name}"),
        create_time=_time(report.create_time),
    )


def from_appeal(appeal: Appeal) -> case_pb2.Appeal:
    """Translate an appeal."""
    return case_pb2.Appeal(
        appeal_id=appeal.appeal_id,
        decision_id=appeal.decision_id,
        appellant_id=appeal.appellant_id,
        statement=appeal.statement,
        document_sha256s=appeal.document_sha256s,
        state=case_pb2.AppealState.Value(f"APPEAL_STATE_{appeal.state.name}"),
        reviewer=appeal.reviewer,
        answer=appeal.answer,
        create_time=_time(appeal.create_time),
        due_time=_time(appeal.due_time),
        decide_time=_time(appeal.decide_time),
    )


def _outcome(outcome: Outcome) -> case_pb2.Outcome:
    return case_pb2.Outcome(
        verdict=_verdict(outcome.verdict),
        reason_code=outcome.reason_code,
        note=outcome.note,
        statement=None if outcome.statement is None else from_statement(outcome.statement),
    )


def from_statement(statement: Statement) -> case_pb2.StatementOfReasons:
    """Translate what a seller is told."""
    return case_pb2.StatementOfReasons(
        ground=GROUNDS[statement.ground],
        ground_reference=statement.ground_reference,
        explanation=statement.explanation,
        facts=statement.facts,
        territories=statement.territories,
        end_time=_time(statement.end_time),
        automated_detection=statement.automated_detection,
        automated_decision=statement.automated_decision,
        right_id=statement.right_id,
    )


def _notice(notice: Notice) -> case_pb2.Notice:
    return case_pb2.Notice(
        urls=notice.urls,
        right_id=notice.right_id,
        notifier_name=notice.notifier_name,
        notifier_email=notice.notifier_email,
        good_faith_statement=notice.good_faith_statement,
        document_sha256s=notice.document_sha256s,
        jurisdiction=notice.jurisdiction,
    )


def _verdict(name: str) -> decision_pb2.Verdict.ValueType:
    return decision_pb2.Verdict.Value(f"VERDICT_{name}")


def _time(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
