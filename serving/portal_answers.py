"""What does PortalService answer about a brand? Notices and their fate, hits, and the use of references. Blocking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from index.portal_records import BrandHit, HitPlace, NoticeFate, NoticeTally
from index.store.store import Store
from serving.access.caller import Caller
from serving.narrowing import why
from serving.page_tokens import read_token, write_token
from serving.visibility import visible_brand
from serving.wire.case import refuse
from serving.wire.decision import from_box
from serving.wire.rules import check_id, check_range
from touchstone.moderation.v1 import brand_portal_service_pb2 as pb
from touchstone.moderation.v1 import case_pb2, decision_pb2

WEEKS = 12
MAX_PAGE, DEFAULT_PAGE = 1_000, 100


@dataclass(frozen=True)
class PortalAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client."""

    store: Store
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def get(self, request: pb.GetPortalRequest, caller: Caller) -> pb.GetPortalResponse:
        """Give a brand's figures."""
        refuse(check_id("brand_id", request.brand_id, required=True))
        brand_id = visible_brand(self.store, request.brand_id, caller).brand_id
        starts = weeks_until(self.clock())
        answer = pb.GetPortalResponse(brand_id=brand_id, notices=_from_tally(self.store.notice_tally(brand_id)))
        for start, count in zip(starts, self.store.hits_by_week(brand_id, starts), strict=True):
            answer.weeks.add(hit_count=count).start_time.FromDatetime(start)
        for use in self.store.reference_use(brand_id):
            answer.references.add(
                reference_id=use.reference_id,
                hit_count=use.hits,
                decided_count=use.decided,
                allowed_count=use.allowed,
            )
        return answer

    def notices(self, request: pb.ListNoticesRequest, caller: Caller) -> pb.ListNoticesResponse:
        """List a page of an owner's notices."""
        size = _page_size(request)
        brand_id = visible_brand(self.store, request.brand_id, caller).brand_id
        question = pb.ListNoticesRequest(brand_id=brand_id)
        after: tuple[datetime, str] | None = None
        if request.page_token:
            time, report_id = read_token(question, request.page_token, datetime, str)
            after = (time, report_id)
        found = self.store.brand_notices(brand_id, after=after, limit=size + 1)
        answer = pb.ListNoticesResponse(notices=map(_from_fate, found[:size]))
        if len(found) > size:
            answer.next_page_token = write_token(question, found[size - 1].create_time, found[size - 1].report_id)
        return answer

    def hits(self, request: pb.ListHitsRequest, caller: Caller) -> pb.ListHitsResponse:
        """List a page of listings in which the brand was seen; who sells them is not told."""
        size = _page_size(request)
        refuse(check_id("reference_id", request.reference_id, required=False))
        brand_id = visible_brand(self.store, request.brand_id, caller).brand_id
        question = pb.ListHitsRequest(brand_id=brand_id, reference_id=request.reference_id)
        after = None
        if request.page_token:
            time, listing_id = read_token(question, request.page_token, datetime, str)
            after = HitPlace(screen_time=time, listing_id=listing_id)
        found = self.store.brand_hits(brand_id, reference_id=request.reference_id, after=after, limit=size + 1)
        answer = pb.ListHitsResponse(hits=map(_from_hit, found[:size]))
        if len(found) > size:
            answer.next_page_token = write_token(question, found[size - 1].screen_time, found[size - 1].listing_id)
        return answer


def weeks_until(now: datetime) -> tuple[datetime, ...]:
    """Return when the last 12 weeks began, the present one's Monday last; UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    monday = today - timedelta(days=today.weekday())
    return tuple(monday - timedelta(weeks=back) for back in reversed(range(WEEKS)))


def _page_size(request: pb.ListNoticesRequest | pb.ListHitsRequest) -> int:
    refuse(
        [
            *check_id("brand_id", request.brand_id, required=True),
            *check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE),
        ]
    )
    return request.page_size or DEFAULT_PAGE


def _from_tally(tally: NoticeTally) -> pb.NoticeFigures:
    figures = pb.NoticeFigures(
        waiting_count=tally.waiting,
        upheld_count=tally.upheld,
        declined_count=tally.declined,
        narrowed=tally.narrows,
        narrowed_reason=why(tally) if tally.narrows else "",
    )
    if tally.acceptance is not None:
        figures.acceptance_rate = tally.acceptance
        figures.acceptance_low, figures.acceptance_high = tally.interval
    return figures


def _from_fate(fate: NoticeFate) -> pb.NoticeFate:
    message = pb.NoticeFate(
        report_id=fate.report_id,
        listing_id=fate.listing_id,
        reason_code=fate.reason_code,
        formal=fate.formal,
        right_id=fate.right_id,
        state=case_pb2.ReportState.Value(f"REPORT_STATE_{fate.state.name}"),
    )
    message.create_time.FromDatetime(fate.create_time)
    if fate.decide_time is not None:
        message.decide_time.FromDatetime(fate.decide_time)
    return message


def _from_hit(hit: BrandHit) -> pb.BrandHit:
    message = pb.BrandHit(
        listing_id=hit.listing_id,
        decision_id=hit.decision_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{hit.verdict}"),
        image_index=hit.image_index,
        box=from_box(hit.box),
        reference_id=hit.reference_id,
        probability=hit.probability,
    )
    message.screen_time.FromDatetime(hit.screen_time)
    return message
