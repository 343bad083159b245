"""How do statements of reasons and legal steps cross the wire? Messages to domain values and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from index.legal_steps import LegalStep, LegalStepKind
from serving.errors import FieldViolation
from serving.legal.clock import Deadline
from serving.legal.register_rules import MOST_AT_ONCE
from serving.legal.statements import SellerStatement
from serving.legal.text import as_html, as_text
from serving.legal.words import LANGUAGES
from serving.wire.case import refuse
from serving.wire.case_answers import from_statement
from serving.wire.rules import (
    check_id,
    check_one_of,
    check_range,
    check_request_id,
    check_text,
    check_time,
    shown,
    to_time,
)
from touchstone.moderation.v1 import statement_service_pb2 as pb

_MAX_REFERENCE_CHARACTERS = 1_000
_KINDS = {pb.LegalStepKind.Value(f"LEGAL_STEP_KIND_{kind}"): kind for kind in LegalStepKind}
_NUMBERS = {kind: number for number, kind in _KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class Period:
    """Which takedowns to tell the register of, and how many at most."""

    start: datetime
    end: datetime
    limit: int


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A step as it was reported."""

    case_id: str
    kind: LegalStepKind
    time: datetime
    reference: str


def to_target(request: pb.GetStatementRequest) -> str:
    """Check which statement is asked for, and return the language. Raises InvalidListing."""
    violations = []
    target = request.WhichOneof("target")
    if target is None:
        violations.append(FieldViolation("decision_id", "is missing, and so is case_id; name one of them"))
    else:
        violations += check_id(target, getattr(request, target), required=True)
    if request.language not in ("", *LANGUAGES):
        choices = " or ".join(LANGUAGES)
        violations.append(FieldViolation("language", f"{shown(request.language)} is not written; send {choices}"))
    refuse(violations)
    return request.language or LANGUAGES[0]


def to_period(request: pb.ExportStatementsRequest) -> Period:
    """Translate the times of an export. Raises InvalidListing."""
    violations = [*check_range("page_size", request.page_size, low=1, high=MOST_AT_ONCE, default=MOST_AT_ONCE)]
    for name in ("start_time", "end_time"):
        if not request.HasField(name):
            violations.append(FieldViolation(name, "is missing; send the time"))
        violations += check_time(name, getattr(request, name))
    refuse(violations)
    start, end = to_time(request.start_time), to_time(request.end_time)
    if start >= end:
        refuse([FieldViolation("end_time", f"{end.isoformat()} is not after start_time; exchange or widen them")])
    return Period(start=start, end=end, limit=request.page_size or MOST_AT_ONCE)


def to_step(request: pb.RecordLegalStepRequest, *, now: datetime) -> Recorded:
    """Translate a step that is to be recorded. Raises InvalidListing."""
    violations = [
        *check_id("case_id", request.case_id, required=True),
        *check_one_of("kind", request.kind, _KINDS, pb.LegalStepKind.Name),
        *check_time("time", request.time),
        *check_text("reference", request.reference, limit=_MAX_REFERENCE_CHARACTERS),
        *check_request_id("request_id", request.request_id),
    ]
    if not request.HasField("time"):
        violations.append(FieldViolation("time", "is missing; say when it was done"))
    if request.kind == pb.LEGAL_STEP_KIND_COMPLAINT_FILED and not request.reference.strip():
        violations.append(FieldViolation("reference", "is empty; name the complaint or the suit"))
    refuse(violations)
    time = to_time(request.time)
    if time > now:
        refuse([FieldViolation("time", f"{time.isoformat()} is yet to come; record what was done")])
    return Recorded(case_id=request.case_id, kind=_KINDS[request.kind], time=time, reference=request.reference)


def from_seller_statement(statement: SellerStatement, *, answer_days: int) -> pb.SellerStatement:
    """Translate a statement, with its words."""
    return pb.SellerStatement(
        decision_id=statement.decision_id,
        resolution_id=statement.resolution_id,
        listing_id=statement.listing_id,
        reasons=from_statement(statement.reasons),
        effective_time=_time(statement.effective_time),
        source=pb.StatementSource.Value(f"STATEMENT_SOURCE_{statement.source}"),
        machine_decision_confirmed=statement.confirmed,
        complaint_end_time=_time(statement.complaint_end_time),
        policy_version=statement.policy_version,
        language=statement.language,
        text=as_text(statement, answer_days=answer_days),
        html=as_html(statement, answer_days=answer_days),
    )


def from_step(step: LegalStep) -> pb.LegalStep:
    """Translate a step."""
    return pb.LegalStep(
        step_id=step.step_id,
        kind=_NUMBERS[step.kind],
        time=_time(step.time),
        reference=step.reference,
        reviewer=step.reviewer,
        record_time=_time(step.record_time),
    )


def from_deadline(deadline: Deadline, *, now: datetime) -> pb.LegalDeadline:
    """Translate a time as it stands now."""
    return pb.LegalDeadline(
        term=pb.LegalTerm.Value(f"LEGAL_TERM_{deadline.term}"),
        start_time=_time(deadline.start_time),
        due_time=_time(deadline.due_time),
        done_time=None if deadline.done_time is None else _time(deadline.done_time),
        state=pb.LegalTermState.Value(f"LEGAL_TERM_STATE_{deadline.state_at(now)}"),
        basis=deadline.basis,
    )


def _time(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
