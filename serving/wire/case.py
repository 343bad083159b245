"""What does a moderator ask of a case? CaseService's requests about the queue and resolutions, to domain values.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
Reports and appeals are read by `serving.wire.complaint`, answers written by `serving.wire.case_answers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from index.case_records import CaseFilter, CaseOrder, CaseOrigin, CaseState
from index.rulings import Outcome
from serving.case_rules import CaseRules
from serving.errors import FieldViolation, InvalidListing
from serving.wire.outcome import VERDICTS, outcome_violations, to_outcome
from serving.wire.rules import (
    check_etag,
    check_id,
    check_one_of,
    check_range,
    check_request_id,
    check_text,
    check_time,
    to_time,
)
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb

MAX_PAGE, DEFAULT_PAGE = 1_000, 100
MIN_LEASE_MS, MAX_LEASE_MS, DEFAULT_LEASE_MS = 10_000, 3_600_000, 300_000
MAX_BATCH, DEFAULT_BATCH = 10_000, 100
MAX_UNDO_REASON_CHARACTERS = 1_000
_MAX_FILTER_VALUES = 1_000

STATES = {
    CaseState.OPEN: case_pb2.CASE_STATE_OPEN,
    CaseState.CLAIMED: case_pb2.CASE_STATE_CLAIMED,
    CaseState.SECOND_REVIEW: case_pb2.CASE_STATE_AWAITING_SECOND_REVIEW,
    CaseState.RESOLVED: case_pb2.CASE_STATE_RESOLVED,
    CaseState.APPEALED: case_pb2.CASE_STATE_APPEALED,
    CaseState.SUPERSEDED: case_pb2.CASE_STATE_SUPERSEDED,
}
ORIGINS = {
    CaseOrigin.SCREENING: case_pb2.CASE_ORIGIN_SCREENING,
    CaseOrigin.SCAN: case_pb2.CASE_ORIGIN_SCAN,
    CaseOrigin.REPORT: case_pb2.CASE_ORIGIN_REPORT,
    CaseOrigin.AUDIT: case_pb2.CASE_ORIGIN_AUDIT,
}
_STATES = {number: state for state, number in STATES.items()}
_ORIGINS = {number: origin for origin, number in ORIGINS.items()}
_ACTIONS = (pb.CLAIM_ACTION_UNSPECIFIED, pb.CLAIM_ACTION_CLAIM, pb.CLAIM_ACTION_RELEASE)
_ORDERS = {
    pb.CASE_ORDER_UNSPECIFIED: CaseOrder.EXPECTED_HARM,
    pb.CASE_ORDER_EXPECTED_HARM: CaseOrder.EXPECTED_HARM,
    pb.CASE_ORDER_OLDEST: CaseOrder.OLDEST,
    pb.CASE_ORDER_NEWEST: CaseOrder.NEWEST,
    pb.CASE_ORDER_DUE: CaseOrder.DUE,
}


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which cases, in which order, and how many at most."""

    wanted: CaseFilter
    order: CaseOrder
    limit: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Take or let go one case (`case_id`), or take the next one that fits (`wanted`)."""

    case_id: str
    wanted: CaseFilter
    release: bool
    duration: timedelta


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The cases of a batch: by name, or all that fit; at most `max_cases` of them."""

    case_ids: tuple[str, ...] | None
    wanted: CaseFilter
    max_cases: int


@dataclass(frozen=True, kw_only=True)
class Undoing:
    """What is to be undone, a resolution or a batch, and why."""

    resolution_id: str
    batch_id: str
    reason: str


def to_query(request: pb.ListCasesRequest) -> Query:
    """Translate which cases to list. Raises InvalidListing."""
    size = request.page_size
    refuse(
        [
            *_filter_violations("filter", request.filter),
            *check_one_of("order", request.order, _ORDERS, pb.CaseOrder.Name),
            *check_range("page_size", size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE),
        ]
    )
    return Query(wanted=_filter(request.filter), order=_ORDERS[request.order], limit=size or DEFAULT_PAGE)


def to_case_id(request: pb.GetCaseRequest) -> str:
    """Translate the question for one case. Raises InvalidListing."""
    refuse(check_id("case_id", request.case_id, required=True))
    return request.case_id


def to_claim(request: pb.ClaimCaseRequest) -> Claim:
    """Translate what to do with a lease. Raises InvalidListing."""
    kind, duration = request.WhichOneof("target"), request.lease_duration_ms
    violations = [
        *check_one_of("action", request.action, _ACTIONS, pb.ClaimAction.Name),
        *check_range("lease_duration_ms", duration, low=MIN_LEASE_MS, high=MAX_LEASE_MS, default=DEFAULT_LEASE_MS),
    ]
    release = request.action == pb.CLAIM_ACTION_RELEASE
    if kind is None:
        violations.append(FieldViolation("case_id", "is missing, and so is next; name a case or the queue"))
    elif kind == "case_id":
        violations += check_id("case_id", request.case_id, required=True)
    else:
        violations += _filter_violations("next", request.next)
        if release:
            violations.append(FieldViolation("next", "cannot be released; name the case in case_id"))
    refuse(violations)
    return Claim(
        case_id=request.case_id,
        wanted=_filter(request.next),
        release=release,
        duration=timedelta(milliseconds=duration or DEFAULT_LEASE_MS),
    )


def to_resolution(request: pb.ResolveCaseRequest, rules: CaseRules) -> Outcome:
    """Translate what is decided in a case. Raises InvalidListing."""
    violations = [
        *check_id("case_id", request.case_id, required=True),
        *check_id("lease_token", request.lease_token, required=True),
        *outcome_violations(request.outcome, rules, present=request.HasField("outcome")),
        *check_request_id("request_id", request.request_id),
        *check_etag("etag", request.etag),
    ]
    refuse(violations)
    return to_outcome(request.outcome)


def to_batch(request: pb.BatchResolveCasesRequest, rules: CaseRules) -> tuple[Selection, Outcome]:
    """Translate what is decided in many cases. Raises InvalidListing."""
    kind, ids, most = request.WhichOneof("selection"), request.case_ids.case_ids, request.max_cases
    violations = [
        *check_range("max_cases", most, low=1, high=MAX_BATCH, default=DEFAULT_BATCH),
        *outcome_violations(request.outcome, rules, present=request.HasField("outcome"), needs_reason=True),
        *check_request_id("request_id", request.request_id),
    ]
    most = most or DEFAULT_BATCH
    if kind is None or (kind == "case_ids" and not ids):
        violations.append(FieldViolation("case_ids", "is empty; name cases, or a filter"))
    elif kind == "filter":
        violations += _filter_violations("filter", request.filter)
    elif len(ids) > most:
        violations.append(FieldViolation("case_ids", f"names {len(ids)} cases; max_cases lets {most} through"))
    else:
        for index, case_id in enumerate(ids):
            violations += check_id(f"case_ids.case_ids[{index}]", case_id, required=True)
    refuse(violations)
    named = tuple(dict.fromkeys(ids)) if kind == "case_ids" else None
    return Selection(case_ids=named, wanted=_filter(request.filter), max_cases=most), to_outcome(request.outcome)


def to_undoing(request: pb.UndoResolutionRequest) -> Undoing:
    """Translate what is to be undone. Raises InvalidListing."""
    kind = request.WhichOneof("target")
    violations = list(check_text("reason", request.reason, limit=MAX_UNDO_REASON_CHARACTERS))
    if not request.reason.strip():
        violations.append(FieldViolation("reason", "is empty; say why, for the record"))
    if kind is None:
        violations.append(FieldViolation("resolution_id", "is missing, and so is batch_id; name one of them"))
    else:
        violations += check_id(kind, getattr(request, kind), required=True)
    refuse(violations)
    return Undoing(resolution_id=request.resolution_id, batch_id=request.batch_id, reason=request.reason)


def refuse(violations: Iterable[FieldViolation]) -> None:
    """Raise InvalidListing if there is any violation."""
    if found := tuple(violations):
        raise InvalidListing(found)


def _filter_violations(field: str, message: pb.CaseFilter) -> Iterator[FieldViolation]:
    for name, allowed, name_of in (
        ("states", _STATES, case_pb2.CaseState.Name),
        ("origins", _ORIGINS, case_pb2.CaseOrigin.Name),
        ("verdicts", VERDICTS, decision_pb2.Verdict.Name),
    ):
        values = getattr(message, name)
        if len(values) > _MAX_FILTER_VALUES:
            yield FieldViolation(f"{field}.{name}", f"has {len(values)} values; send at most {_MAX_FILTER_VALUES}")
            continue
        for index, value in enumerate(values):
            yield from check_one_of(f"{field}.{name}[{index}]", value, allowed, name_of)
    for name in ("brand_ids", "except_case_ids"):
        ids = getattr(message, name)
        if len(ids) > _MAX_FILTER_VALUES:
            yield FieldViolation(f"{field}.{name}", f"has {len(ids)} values; send at most {_MAX_FILTER_VALUES}")
            continue
        for index, each in enumerate(ids):
            yield from check_id(f"{field}.{name}[{index}]", each, required=True)
    for name in ("seller_id", "listing_id", "scan_id", "reason_code", "holder"):
        yield from check_id(f"{field}.{name}", getattr(message, name), required=False)
    for name in ("created_from", "created_before"):
        yield from check_time(f"{field}.{name}", getattr(message, name))


def _filter(message: pb.CaseFilter) -> CaseFilter:
    return CaseFilter(
        states=tuple(_STATES[number] for number in message.states),
        origins=tuple(_ORIGINS[number] for number in message.origins),
        verdicts=tuple(VERDICTS[number] for number in message.verdicts),
        brand_ids=tuple(message.brand_ids),
        seller_id=message.seller_id,
        listing_id=message.listing_id,
        scan_id=message.scan_id,
        reason_code=message.reason_code,
        created_from=to_time(message.created_from) if message.HasField("created_from") else None,
        created_before=to_time(message.created_before) if message.HasField("created_before") else None,
        except_ids=tuple(message.except_case_ids),
        holder=message.holder,
    )
