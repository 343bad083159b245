"""What does somebody ask of the figures? InsightService's requests, to domain values.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
`serving.wire.insight_answers` writes the answers down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from index.insight import Span, Split
from index.store.steps import DAY_S, HOUR_S, WEEK_S, first_of_step
from serving.errors import FieldViolation
from serving.wire.case import refuse
from serving.wire.rules import check_id, check_one_of, check_range, check_time, to_time
from touchstone.moderation.v1 import insight_service_pb2 as pb

USUAL_SPAN = timedelta(days=28)
USUAL_WINDOW = timedelta(days=7)
MAX_STEPS = 1_000
MAX_PAGE, DEFAULT_PAGE = 1_000, 100

_STEPS = {
    pb.VOLUME_STEP_UNSPECIFIED: DAY_S,
    pb.VOLUME_STEP_HOUR: HOUR_S,
    pb.VOLUME_STEP_DAY: DAY_S,
    pb.VOLUME_STEP_WEEK: WEEK_S,
}
_SPLITS = {
    pb.VOLUME_SPLIT_UNSPECIFIED: Split.NOTHING,
    pb.VOLUME_SPLIT_VERDICT: Split.VERDICT,
    pb.VOLUME_SPLIT_ORIGIN: Split.ORIGIN,
    pb.VOLUME_SPLIT_BRAND: Split.BRAND,
    pb.VOLUME_SPLIT_MARKET: Split.MARKET,
}


# Requests about a span of time.
Spanned = (
    pb.GetVolumesRequest
    | pb.GetPrecisionRequest
    | pb.GetCalibrationRequest
    | pb.GetDriftRequest
    | pb.ListReviewersRequest
    | pb.GetReviewerRequest
)


@dataclass(frozen=True, kw_only=True)
class VolumeQuery:
    """What to count, in steps of so many seconds."""

    span: Span
    step_s: int
    split: Split


@dataclass(frozen=True, kw_only=True)
class DriftQuery:
    """Which decisions to compare: those of `span` before `window` with those since; of all brands where it is ""."""

    span: Span
    window: datetime
    brand: str


def to_span(request: Spanned, now: datetime, *, usual: timedelta = USUAL_SPAN) -> Span:
    """Translate a span of time. Raises InvalidListing."""
    refuse(_span_violations(request, now, usual))
    return _span(request, now, usual)


def to_volume_query(request: pb.GetVolumesRequest, now: datetime) -> VolumeQuery:
    """Translate which volumes to count. Raises InvalidListing."""
    violations = [
        *_span_violations(request, now, USUAL_SPAN),
        *check_one_of("step", request.step, _STEPS, pb.VolumeStep.Name),
        *check_one_of("split", request.split, _SPLITS, pb.VolumeSplit.Name),
    ]
    refuse(violations)
    span, step_s = _span(request, now, USUAL_SPAN), _STEPS[request.step]
    steps = (span.end - span.start) / timedelta(seconds=step_s)
    if steps > MAX_STEPS:
        remedy = f"begins {steps:.0f} steps before end_time; ask for at most {MAX_STEPS}, or for longer ones"
        refuse([FieldViolation("start_time", remedy)])
    # Not before the year 1, where a week cannot begin.
    first = first_of_step(int(span.start.timestamp()), step_s)
    start = max(datetime.min.replace(tzinfo=UTC), datetime.fromtimestamp(0, UTC) + timedelta(seconds=first))
    return VolumeQuery(span=Span(start, span.end), step_s=step_s, split=_SPLITS[request.split])


def to_drift_query(request: pb.GetDriftRequest, now: datetime) -> DriftQuery:
    """Translate which decisions to compare. Raises InvalidListing."""
    violations = [
        *_span_violations(request, now, USUAL_WINDOW),
        *check_time("reference_start_time", request.reference_start_time),
        *check_id("brand", request.brand, required=False),
    ]
    refuse(violations)
    window = _span(request, now, USUAL_WINDOW)
    sent = request.HasField("reference_start_time")
    reference = to_time(request.reference_start_time) if sent else _before(window.start, USUAL_SPAN)
    if reference >= window.start:
        refuse([FieldViolation("reference_start_time", "is not before start_time; the reference ends there")])
    return DriftQuery(span=Span(reference, window.end), window=window.start, brand=request.brand)


def to_brand(request: pb.GetCalibrationRequest) -> str:
    """Translate which brand is asked about, "" for all. Raises InvalidListing."""
    refuse(check_id("brand", request.brand, required=False))
    return request.brand


def to_reviewer(request: pb.GetReviewerRequest) -> str:
    """Translate who is asked about, "" for the caller. Raises InvalidListing."""
    refuse(check_id("reviewer", request.reviewer, required=False))
    return request.reviewer


def to_seller_id(request: pb.GetSellerRequest) -> str:
    """Translate which seller is asked about. Raises InvalidListing."""
    refuse(check_id("seller_id", request.seller_id, required=True))
    return request.seller_id


def to_page_size(request: pb.ListReviewersRequest) -> int:
    """Translate how many to list. Raises InvalidListing."""
    refuse(check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE))
    return request.page_size or DEFAULT_PAGE


def _span_violations(request: Spanned, now: datetime, usual: timedelta) -> Iterator[FieldViolation]:
    faults = [*check_time("start_time", request.start_time), *check_time("end_time", request.end_time)]
    yield from faults
    if not faults and (span := _span(request, now, usual)).end <= span.start:
        yield FieldViolation("end_time", f"{span.end.isoformat()} is not after start_time, {span.start.isoformat()}")


def _span(request: Spanned, now: datetime, usual: timedelta) -> Span:
    end = to_time(request.end_time) if request.HasField("end_time") else now
    start = to_time(request.start_time) if request.HasField("start_time") else _before(end, usual)
    return Span(start, end)


def _before(time: datetime, usual: timedelta) -> datetime:
    first = datetime.min.replace(tzinfo=UTC)
    return time - usual if time - first > usual else first
