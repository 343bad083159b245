"""What does InsightService answer? From request to response, blocking: the servicer and commands stand on this alike.

Requests are checked by `serving.wire.insight`, the store counts, and `serving.wire.insight_answers` writes down what
comes of it. docs/insight.md defines each figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from index.errors import NotFound, NotPermitted
from index.insight import AuditCount, Histograms, SellerDecision, Span
from index.intervals import Proportion, proportion, weighted
from index.learning import DEFAULT_TIER
from index.shift import PRICE_EDGES, SCORE_EDGES, shift
from index.standing import SellerStanding
from index.store.store import Store
from serving.access.caller import Caller
from serving.access.permissions import ADMIN, AUDITOR, LEAD, Permission, entitled
from serving.cases import CaseDesk
from serving.checks import is_checked
from serving.domain import Verdict
from serving.guarantee import CertificateSource, Versions, fault_of
from serving.page_tokens import read_token, write_token
from serving.price_watch import alarms
from serving.wire.insight import (
    to_brand,
    to_drift_query,
    to_page_size,
    to_reviewer,
    to_seller_id,
    to_span,
    to_volume_query,
)
from serving.wire.insight_answers import (
    from_alarm,
    from_bins,
    from_certificate,
    from_proportion,
    from_queue,
    from_reviewed,
    from_ring,
    from_seller_decision,
    from_shift,
    from_strikes,
    from_time,
    from_verification,
    from_volumes,
)
from touchstone.moderation.v1 import insight_service_pb2 as pb

MOST_BRANDS_AUDITED, MOST_BRANDS_DRIFTED = 100, 50
_FLOW = timedelta(days=7)
# An alarm looks at each price among those before it; more would take longer than a page may.
_MOST_PRICES = 5_000
_HISTORY = timedelta(days=2 * 365)
_MONTHS, _LATEST = 24, 20
# Who may ask about everybody who decides; a moderator is not among them.
_SEE_ALL = frozenset({LEAD, AUDITOR, ADMIN})


@dataclass(frozen=True)
class InsightAnswers:
    """One method an rpc: each raises what its parts raise, and `serving.status` tells the client.

    `versions` are in use, `audit_share` stands in for the chance of audits of which it was not written down, and
    `clock` gives the time, in UTC.
    """

    store: Store
    desk: CaseDesk
    versions: Versions
    audit_share: float
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def volumes(self, request: pb.GetVolumesRequest) -> pb.GetVolumesResponse:
        """Count what happened."""
        query = to_volume_query(request, self.clock())
        counts = self.store.volumes(query.span, step_s=query.step_s, split=query.split)
        return pb.GetVolumesResponse(series=from_volumes(counts))

    def precision(self, request: pb.GetPrecisionRequest) -> pb.GetPrecisionResponse:
        """Say what audits say."""
        counts = self.store.audit_counts(to_span(request, self.clock()))
        by_brand: dict[str, list[AuditCount]] = defaultdict(list)
        for one in counts:
            by_brand[one.brand].append(one)
        largest = sorted(by_brand, key=lambda brand: (-sum(one.count for one in by_brand[brand]), brand))
        return pb.GetPrecisionResponse(
            overall=self._precision("", counts),
            brands=[self._precision(brand, by_brand[brand]) for brand in largest[:MOST_BRANDS_AUDITED]],
        )

    def calibration(self, request: pb.GetCalibrationRequest) -> pb.GetCalibrationResponse:
        """Compare probabilities with what people found."""
        span = to_span(request, self.clock())
        bins = self.store.reliability(span, brand=to_brand(request), audits_only=request.audits_only)
        return from_bins(bins)

    def thresholds(self, request: pb.ListThresholdsRequest) -> pb.ListThresholdsResponse:  # noqa: ARG002 - it is empty
        """Say from which probability on each tier's listings are taken down."""
        known, now = CertificateSource(self.store).read(), self.clock()
        brands: dict[str, list[str]] = {DEFAULT_TIER: []}
        for one in known.tiers.values():
            brands.setdefault(one.tier, []).append(one.brand)
        found = []
        for tier in sorted({*brands, *known.of_tier}):
            newest = known.of_tier.get(tier)
            fault = None if newest is None else fault_of(newest, self.versions, now)
            why = f"No certificate was ever issued for {tier} brands" if newest is None else fault.text if fault else ""
            found.append(from_certificate(tier, brands.get(tier, ()), newest, why))
        return pb.ListThresholdsResponse(thresholds=found)

    def drift(self, request: pb.GetDriftRequest) -> pb.GetDriftResponse:
        """Compare scores and prices with a reference."""
        query = to_drift_query(request, self.clock())
        scores, prices = self.store.histograms(query.span, window=query.window, brand=query.brand)
        if not query.brand:
            return pb.GetDriftResponse(drifts=[_drift(name, scores, prices) for name in _largest(scores)])
        ratios = self.store.price_ratios(query.brand, query.span, most=_MOST_PRICES)
        found = sorted(alarms(query.brand, list(ratios), "prices"), key=lambda alarm: alarm.time, reverse=True)
        return pb.GetDriftResponse(
            drifts=[_drift(query.brand, scores, prices)], alarms=[from_alarm(alarm) for alarm in found]
        )

    def queue(self, request: pb.GetQueueRequest) -> pb.GetQueueResponse:  # noqa: ARG002 - it is empty
        """Count the queue."""
        now = self.clock()
        return from_queue(self.store.queue_counts(now=now), self.store.queue_flow(Span(now - _FLOW, now)))

    def list_reviewers(self, request: pb.ListReviewersRequest) -> pb.ListReviewersResponse:
        """List who decided."""
        span, size = to_span(request, self.clock()), to_page_size(request)
        question = pb.ListReviewersRequest(start_time=request.start_time, end_time=request.end_time)
        start = read_token(question, request.page_token, int)[0] if request.page_token else 0
        found = self.store.list_reviewers(span, offset=start, limit=size + 1)
        shares = self.store.check_shares(span, told_before=self.desk.checks.told_before)
        return pb.ListReviewersResponse(
            reviewers=[
                pb.ReviewerVolume(
                    reviewer=one.reviewer,
                    answer_count=one.answers,
                    checks=from_proportion(shares.get(one.reviewer, proportion(0, 0))),
                )
                for one in found[:size]
            ],
            next_page_token=write_token(question, start + size) if len(found) > size else "",
        )

    def reviewer(self, request: pb.GetReviewerRequest, caller: Caller) -> pb.GetReviewerResponse:
        """Say how somebody decides. Raises Unauthenticated, NotPermitted."""
        span, asked = to_span(request, self.clock()), to_reviewer(request)
        if not asked:
            asked = self.desk.pseudonym(caller.required())
        elif caller.roles and not caller.roles & _SEE_ALL and asked != self.desk.pseudonym(caller.required()):
            raise NotPermitted("A moderator may see their own figures only; leave reviewer empty.")
        checked = self.store.checked(asked, span, told_before=self.desk.checks.told_before)
        names_gold = entitled(caller, Permission.READ_GOLD)
        return from_reviewed(asked, self.store.reviewed(asked, span), checked, names_gold=names_gold)

    def seller(self, request: pb.GetSellerRequest, caller: Caller) -> pb.GetSellerResponse:
        """Return a seller's record. Raises NotFound, NotPermitted."""
        if not caller.knows_sellers:
            raise NotPermitted("Who sells what is not told to those who act for a brand.")
        seller_id, now = to_seller_id(request), self.clock()
        stands = self.store.seller_standing(seller_id, now=now)
        if not stands.known:
            raise NotFound(f"There is no seller with the id {seller_id!r} on record.")
        history = self.store.seller_history(seller_id, since=now - _HISTORY, latest=_LATEST)
        return pb.GetSellerResponse(
            seller_id=seller_id,
            verification=from_verification(stands),
            age_days=stands.age_days,
            strikes=from_strikes(stands),
            upheld_report_count=self.store.reports_about_seller(seller_id),
            months=[
                pb.SellerMonth(
                    start_time=from_time(month), **{f"{verdict.lower()}_count": n for verdict, n in counts.items()}
                )
                for month, counts in list(history.months.items())[-_MONTHS:]
            ],
            decisions=[from_seller_decision(one) for one in self._as_seen(history.decisions, seller_id, caller)],
            ring=self._ring(stands),
        )

    def _as_seen(
        self, decisions: tuple[SellerDecision, ...], seller_id: str, caller: Caller
    ) -> tuple[SellerDecision, ...]:
        """Show decisions that the caller is checked with as the checks do."""
        if not is_checked(caller):
            return decisions
        return self.desk.checks.veil(decisions, self.desk.pseudonym(caller.required()), seller_id=seller_id)

    def _ring(self, stands: SellerStanding) -> pb.SellerRing | None:
        ring = stands.ring
        if ring is None:
            return None
        return from_ring(ring, self.store.ring_tallies(ring.ring_id), self.store.ring_links(ring.ring_id))

    def _precision(self, brand: str, counts: Iterable[AuditCount]) -> pb.Precision:
        found = list(counts)
        return pb.Precision(
            brand=brand,
            takedown=from_proportion(self._infringing(found, Verdict.TAKEDOWN)),
            missed=from_proportion(self._infringing(found, Verdict.ALLOW)),
            takedown_waiting_count=_waiting(found, Verdict.TAKEDOWN),
            allow_waiting_count=_waiting(found, Verdict.ALLOW),
        )

    def _infringing(self, counts: Sequence[AuditCount], verdict: Verdict) -> Proportion:
        asked = (one for one in counts if one.verdict == verdict and one.infringing is not None)
        return weighted(one.drawn(unrecorded=self.audit_share or 1.0) for one in asked)


def _waiting(counts: Iterable[AuditCount], verdict: Verdict) -> int:
    return sum(one.count for one in counts if one.verdict == verdict and one.infringing is None)


def _largest(scores: Histograms) -> list[str]:
    """Name all together, "", and the brands with the most decisions in the window."""
    size = {name: sum(counts) for name, counts in scores.window.items()}
    names = sorted((name for name in {*size, *scores.reference} if name), key=lambda name: (-size.get(name, 0), name))
    return ["", *names[:MOST_BRANDS_DRIFTED]]


def _drift(brand: str, scores: Histograms, prices: Histograms) -> pb.Drift:
    shifts = []
    for edges, counts in ((SCORE_EDGES, scores), (PRICE_EDGES, prices)):
        none = (0,) * (len(edges) - 1)
        shifts.append(shift(edges, counts.reference.get(brand, none), counts.window.get(brand, none)))
    return pb.Drift(brand=brand, scores=from_shift(shifts[0]), prices=from_shift(shifts[1]))
