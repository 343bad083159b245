"""What does a client see of the figures? Domain values to InsightService's messages."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from index.check_records import CheckAnswer, Checked
from index.insight import Count, Happening, QueueCounts, QueueFlow, ReliabilityBin, Reviewed, SellerDecision
from index.intervals import Proportion
from index.learning import CertificateOnRecord
from index.price_drift import Direction
from index.rings import RingLink, RingStanding
from index.shift import Shift
from index.standing import SellerStanding
from index.store.queue_counts import AGE_EDGES_S, DUE_EDGES_S, HARM_EDGES
from serving.price_watch import BrandDrift
from serving.wire.case import ORIGINS, STATES
from touchstone.moderation.v1 import decision_pb2, evidence_pb2
from touchstone.moderation.v1 import insight_service_pb2 as pb

MOST_SERIES = 20
_EPOCH = datetime.fromtimestamp(0, UTC)
_FIELDS = {
    Happening.DECIDED: "decisions",
    Happening.OPENED: "cases_opened",
    Happening.RESOLVED: "cases_resolved",
    Happening.UNDONE: "resolutions_undone",
    Happening.APPEALED: "appeals",
    Happening.GRANTED: "appeals_granted",
    Happening.DENIED: "appeals_denied",
    Happening.REPORTED: "reports",
}


def from_volumes(counts: Iterable[Count]) -> list[pb.VolumeSeries]:
    """Translate volumes: a series for each key, the largest first; what is beyond `MOST_SERIES` is summed up."""
    found = list(counts)
    size: Counter[str] = Counter()
    for one in found:
        size[one.key] += one.count
    named = [key for key, _ in sorted(size.items(), key=lambda item: (-item[1], item[0]))]
    kept = named if len(named) <= MOST_SERIES else named[: MOST_SERIES - 1]
    own: dict[str | None, dict[int, Counter[str]]] = {key: defaultdict(Counter) for key in kept}
    if len(kept) < len(named):
        own[None] = defaultdict(Counter)
    for one in found:
        key = one.key if one.key in own else None
        own[key][one.step_s][_FIELDS[one.happening]] += one.count
    return [
        pb.VolumeSeries(
            key=key or "",
            others=key is None,
            volumes=[pb.Volume(start_time=from_second(step), **steps[step]) for step in sorted(steps)],
        )
        for key, steps in own.items()
    ]


def from_proportion(share: Proportion) -> pb.Proportion:
    """Translate a share."""
    return pb.Proportion(
        value=share.value,
        low=share.low,
        high=share.high,
        count=share.count,
        hit_count=share.hits,
        effective_count=share.effective_count,
    )


def from_bins(bins: Sequence[ReliabilityBin]) -> pb.GetCalibrationResponse:
    """Translate a reliability diagram, with the error that follows from it."""
    count = sum(one.infringing.count for one in bins)
    off = math.fsum(one.infringing.count * abs(one.said - one.infringing.value) for one in bins)
    return pb.GetCalibrationResponse(
        bins=[
            pb.ReliabilityBin(
                low=one.low,
                high=one.high,
                mean_probability=one.said,
                infringing=from_proportion(one.infringing),
            )
            for one in bins
        ],
        expected_calibration_error=off / count if count else math.nan,
        count=count,
    )


def from_certificate(tier: str, brands: Iterable[str], one: CertificateOnRecord | None, fault: str) -> pb.Threshold:
    """Translate what a tier's newest certificate allows; `fault` says why nothing, or is ""."""
    if one is None:
        return pb.Threshold(tier=tier, brands=brands, why=fault)
    certificate = one.certificate
    proved = (
        f"Of {certificate.verified:,} judged takedowns {certificate.errors:,} were wrong: at most "
        f"{certificate.bound:.2%}, with {certificate.confidence:.0%} confidence"
    )
    return pb.Threshold(
        tier=tier,
        brands=brands,
        certified=not fault,
        why=fault or proved,
        certificate_id=certificate.certificate_id,
        threshold=certificate.threshold,
        target=certificate.target,
        confidence=certificate.confidence,
        create_time=from_time(certificate.create_time),
        change_time=from_time(one.changed.create_time),
        expire_time=from_time(certificate.expire_time),
        verified_count=certificate.verified,
        error_count=certificate.errors,
        audited_count=one.wager.verified,
        audited_error_count=one.wager.errors,
        wealth=one.wager.wealth,
    )


def from_shift(shift: Shift) -> pb.DistributionShift:
    """Translate two histograms."""
    ends = zip(shift.edges[:-1], shift.edges[1:], shift.reference, shift.window, strict=True)
    return pb.DistributionShift(
        bins=[pb.ShiftBin(low=low, high=high, reference_count=old, count=new) for low, high, old, new in ends],
        psi=shift.psi,
        psi_by_chance=shift.by_chance,
        drifted=shift.drifted,
    )


def from_alarm(alarm: BrandDrift) -> pb.DriftAlarm:
    """Translate an alarm."""
    return pb.DriftAlarm(
        since_time=from_time(alarm.since),
        time=from_time(alarm.time),
        lower=alarm.direction is Direction.LOWER,
        before=alarm.before,
        after=alarm.after,
    )


def from_queue(counts: QueueCounts, flow: QueueFlow) -> pb.GetQueueResponse:
    """Translate the queue."""
    opened, resolved = flow.opened / flow.days, flow.resolved / flow.days
    days = counts.waiting / (resolved - opened) if resolved > opened else None
    return pb.GetQueueResponse(
        waiting_count=counts.waiting,
        states=[pb.StateCount(state=STATES[state], count=count) for state, count in sorted(counts.states.items())],
        origins=[pb.OriginCount(origin=ORIGINS[one], count=count) for one, count in sorted(counts.origins.items())],
        ages_s=_ranges(AGE_EDGES_S, counts.ages_s),
        due_in_s=_ranges(DUE_EDGES_S, counts.due_in_s),
        harms=_ranges(HARM_EDGES, counts.harms),
        median_age_s=counts.median_age_s,
        p90_age_s=counts.p90_age_s,
        opened_per_day=opened,
        resolved_per_day=resolved,
        days_to_empty=days if counts.waiting else 0.0,
        waiting_drawn_share=counts.drawn / counts.waiting if counts.waiting else math.nan,
        resolved_drawn_share=flow.resolved_drawn / flow.resolved if flow.resolved else math.nan,
    )


def from_reviewed(reviewer: str, reviewed: Reviewed, checked: Checked, *, names_gold: bool) -> pb.GetReviewerResponse:
    """Translate how somebody decides; gold cases are named to those who may see them."""
    return pb.GetReviewerResponse(
        reviewer=reviewer,
        answer_count=reviewed.answers,
        days=[pb.DayCount(start_time=from_second(day), count=count) for day, count in reviewed.days],
        confirmed=from_proportion(reviewed.confirmed),
        upheld=from_proportion(reviewed.upheld),
        undone=from_proportion(reviewed.undone),
        median_handling_s=reviewed.median_handling_s,
        timed_count=reviewed.timed,
        checks=from_proportion(checked.agreed),
        check_answers=[from_check_answer(answer, names_gold=names_gold) for answer in checked.answers],
    )


def from_check_answer(answer: CheckAnswer, *, names_gold: bool) -> pb.CheckAnswer:
    """Translate an answer to a check."""
    return pb.CheckAnswer(
        case_id=answer.check_id,
        gold_case_id=answer.gold_case_id if names_gold else "",
        listing_id=answer.listing_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{answer.verdict}"),
        right_verdict=decision_pb2.Verdict.Value(f"VERDICT_{answer.right_verdict}"),
        note=answer.note,
        answer_time=from_time(answer.answer_time),
    )


def from_strikes(stands: SellerStanding) -> pb.StrikeRecord:
    """Translate what counts against a seller, with the posterior that the rate is the mean of."""
    tally = stands.tally
    posterior = (stands.ring_prior or stands.strike_prior).after(tally.decayed.strikes, tally.decayed.listings)
    return pb.StrikeRecord(
        listing_count=tally.decisions,
        strike_count=tally.strikes,
        rate=stands.strike_rate.mean,
        rate_low=stands.strike_rate.low,
        alpha=posterior.alpha,
        beta=posterior.beta,
    )


def from_verification(stands: SellerStanding) -> evidence_pb2.SellerVerification.ValueType:
    """Translate how far the check of a seller's identity is."""
    return evidence_pb2.SellerVerification.Value(f"SELLER_VERIFICATION_{stands.verification.name}")


def from_seller_decision(decision: SellerDecision) -> pb.SellerDecision:
    """Translate a decision about a seller's listing."""
    return pb.SellerDecision(
        decision_id=decision.decision_id,
        listing_id=decision.listing_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{decision.verdict}"),
        verdict_in_force=decision_pb2.Verdict.Value(f"VERDICT_{decision.in_force}"),
        brand=decision.brand,
        counterfeit_probability=decision.probability,
        create_time=from_time(decision.create_time),
    )


def from_ring(ring: RingStanding, members: Iterable[tuple[str, int, int]], links: Iterable[RingLink]) -> pb.SellerRing:
    """Translate a ring."""
    return pb.SellerRing(
        ring_id=ring.ring_id,
        find_time=from_time(ring.find_time),
        members=[
            pb.RingMember(seller_id=seller, listing_count=listings, strike_count=strikes)
            for seller, listings, strikes in members
        ],
        links=[
            pb.RingLink(
                first_seller_id=link.first_seller_id,
                second_seller_id=link.second_seller_id,
                shared_photo_count=link.photos,
                shared_title_count=link.titles,
            )
            for link in links
        ],
    )


def from_time(moment: datetime) -> Timestamp:
    """Translate a moment."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def from_second(second: int) -> Timestamp:
    """Translate a second since 1970."""
    return from_time(_EPOCH + timedelta(seconds=second))


def _ranges(edges: Sequence[float], counts: Sequence[int]) -> list[pb.RangeCount]:
    ends = zip(edges[:-1], edges[1:], counts, strict=True)
    return [pb.RangeCount(low=low, high=high, count=count) for low, high, count in ends]
