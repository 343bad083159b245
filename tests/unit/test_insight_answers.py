"""What InsightService answers over a store alone: estimates, thresholds, drift, pages, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from index.case_records import CaseOrigin
from index.errors import NotFound
from index.intervals import Drawn, weighted
from index.learning import CertificateState
from index.rings import Ring, RingLink
from index.store.store import Store
from serving.access.caller import NOBODY
from serving.case_rules import load_case_rules
from serving.cases import CaseDesk
from serving.errors import InvalidListing
from serving.guarantee import Versions
from serving.insight_answers import InsightAnswers
from serving.wire.insight_answers import MOST_SERIES
from tests.contract.test_store_cases import ALLOW, HOUR, NOON, TAKEDOWN, a_case, a_decision, open_case, ruling
from tests.support.databases import with_tables
from tests.unit.judging import CERTIFICATE, FUSION, MODEL
from touchstone.moderation.v1 import insight_service_pb2 as pb

NOW = NOON + timedelta(days=1)
DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open an empty store."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def answers(store: Store) -> InsightAnswers:
    """Answer a day after noon."""
    desk = CaseDesk(store, load_case_rules())
    return InsightAnswers(store, desk, Versions(fusion=FUSION, model=MODEL), audit_share=0.05, clock=lambda: NOW)


def at(moment: object) -> Timestamp:
    """Write a time down."""
    stamp = Timestamp()
    stamp.FromDatetime(moment)  # type: ignore[arg-type]
    return stamp


def audit(store: Store, name: str, outcome: object, *, share: float | None) -> None:
    """Have a takedown audited that was drawn with this chance."""
    record = a_decision(name, verdict="TAKEDOWN")
    store.record_decision(record, case=a_case(record, origin=CaseOrigin.AUDIT, audit_share=share, brand="Acme"))
    store.resolve_case(f"c-{name}", ruling(outcome))  # type: ignore[arg-type]


def test_precision_is_weighted_by_the_chance_of_each_audit(store: Store, answers: InsightAnswers) -> None:
    """A wrong takedown that was drawn at 1% weighs ten times one at 10%; an unknown chance is the usual one."""
    for number in range(8):
        audit(store, f"often{number}", TAKEDOWN, share=0.1)
    audit(store, "seldom", ALLOW, share=0.01)
    audit(store, "unknown", TAKEDOWN, share=None)

    response = answers.precision(pb.GetPrecisionRequest())

    expected = weighted(
        [Drawn(count=8, hits=8, chance=0.1), Drawn(count=1, hits=0, chance=0.01), Drawn(count=1, hits=1, chance=0.05)]
    )
    found = response.overall.takedown
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.value == pytest.approx((80 + 20) / (80 + 100 + 20))
    assert (found.count, found.hit_count) == (10, 9)
    assert [one.brand for one in response.brands] == ["Acme"]
    assert response.overall.missed.count == 0
    assert math.isnan(response.overall.missed.value)


def test_calibration_error_is_the_mean_distance(store: Store, answers: InsightAnswers) -> None:
    """What said 0.9 and was right half of the time is 0.4 off; what said 0.1 and never came true is 0.1 off."""
    for number in range(20):
        probability = 0.9 if number >= 10 else 0.1
        case = open_case(store, f"d{number}", probability=probability)
        store.resolve_case(case.case_id, ruling(TAKEDOWN if number >= 15 else ALLOW))

    response = answers.calibration(pb.GetCalibrationRequest(brand="Acme"))

    assert response.count == 20
    # Bins of equal size: all ten of each probability are in five bins of two, right or wrong together but one.
    off = sum(2 * abs(one.mean_probability - one.infringing.value) for one in response.bins) / 20
    assert response.expected_calibration_error == pytest.approx(off)
    assert math.isnan(answers.calibration(pb.GetCalibrationRequest(brand="Bravo")).expected_calibration_error)


def test_thresholds_say_why(store: Store, answers: InsightAnswers) -> None:
    """A tier without a certificate, one in force, one of another model and one that is suspended: each says so."""
    (never,) = answers.thresholds(pb.ListThresholdsRequest()).thresholds
    store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")
    store.put_tier("Omega", "watches", now=NOON)
    valid, watches = answers.thresholds(pb.ListThresholdsRequest()).thresholds
    other = replace(answers, versions=Versions(fusion=FUSION, model="another"))
    outdated = other.thresholds(pb.ListThresholdsRequest()).thresholds[0]
    store.change_certificate(
        CERTIFICATE.certificate_id, CertificateState.SUSPENDED, reason="complaints", actor="bob", now=NOW
    )
    suspended = answers.thresholds(pb.ListThresholdsRequest()).thresholds[0]

    assert (never.tier, never.certified, never.certificate_id) == ("standard", False, "")
    assert "ever issued" in never.why
    assert (valid.certified, valid.threshold) == (True, CERTIFICATE.threshold)
    assert f"{CERTIFICATE.errors:,} were wrong" in valid.why
    assert (watches.tier, list(watches.brands), watches.certified) == ("watches", ["Omega"], False)
    assert not outdated.certified
    assert "another is in use" in outdated.why
    assert (suspended.certified, suspended.change_time.ToDatetime()) == (False, NOW.replace(tzinfo=None))
    assert "bob: complaints" in suspended.why


def test_a_fall_of_prices_is_drift(store: Store, answers: InsightAnswers) -> None:
    """Where a brand's prices fall to a third, they drift and raise an alarm; scores that stay do not."""
    for number in range(120):
        record = a_decision(f"d{number}")
        fallen = number >= 80
        time = NOW - 20 * DAY + number * 0.1 * DAY if not fallen else NOW - 4 * DAY + number * timedelta(minutes=10)
        ratio = (0.3 if fallen else 1.0) * (1 + (number % 7) / 50)
        store.record_decision(replace(record, create_time=time, probability=0.1 + number % 5 / 10, price_ratio=ratio))

    response = answers.drift(pb.GetDriftRequest(brand="Acme"))
    everything = answers.drift(pb.GetDriftRequest())

    (drift,) = response.drifts
    assert (drift.brand, drift.prices.drifted, drift.scores.drifted) == ("Acme", True, False)
    assert [one.lower for one in response.alarms] == [True]
    assert response.alarms[0].since_time.ToDatetime() >= (NOW - 4 * DAY).replace(tzinfo=None)
    assert [one.brand for one in everything.drifts] == ["", "Acme"]
    assert not everything.alarms


def test_the_queue_says_when_it_will_be_empty(store: Store, answers: InsightAnswers) -> None:
    """With more coming than going it never empties, and nothing is said; with more going it is a number of days."""
    old = [open_case(store, f"old{number}", create_time=NOON - 20 * DAY) for number in range(10)]
    growing = open_case(store, "new")
    never = answers.queue(pb.GetQueueRequest())
    for case in old[:8]:
        store.resolve_case(case.case_id, ruling(ALLOW))

    shrinking = answers.queue(pb.GetQueueRequest())

    assert growing.create_time == NOON
    assert (never.waiting_count, never.HasField("days_to_empty")) == (11, False)
    assert shrinking.days_to_empty == pytest.approx(3 / (8 / 7 - 1 / 7))
    assert (sum(one.count for one in shrinking.ages_s), shrinking.ages_s[-1].high) == (3, math.inf)


def test_many_brands_are_summed_up(store: Store, answers: InsightAnswers) -> None:
    """Beyond the largest, the other brands are one series, and nothing is lost."""
    for number in range(MOST_SERIES + 5):
        for copy in range(1 + (number == 7)):
            store.record_decision(replace(a_decision(f"d{number}-{copy}"), brand=f"Brand {number:02}"))

    series = answers.volumes(pb.GetVolumesRequest(split=pb.VOLUME_SPLIT_BRAND)).series

    assert len(series) == MOST_SERIES
    assert (series[0].key, series[0].volumes[0].decisions) == ("Brand 07", 2)
    assert [one.others for one in series] == [False] * (MOST_SERIES - 1) + [True]
    assert sum(volume.decisions for one in series for volume in one.volumes) == MOST_SERIES + 6


def test_reviewers_come_page_by_page(store: Store, answers: InsightAnswers) -> None:
    """Each person is on one page, the most active first; a token of another question is refused."""
    for number, who in enumerate(("ann", "ben", "ben", "eve")):
        case = open_case(store, f"d{number}")
        store.resolve_case(case.case_id, ruling(ALLOW, who))

    first = answers.list_reviewers(pb.ListReviewersRequest(page_size=2))
    rest = answers.list_reviewers(pb.ListReviewersRequest(page_size=2, page_token=first.next_page_token))

    assert [one.reviewer for one in (*first.reviewers, *rest.reviewers)] == ["~ben", "~ann", "~eve"]
    assert not rest.next_page_token
    other = pb.ListReviewersRequest(start_time=at(NOON - DAY), page_token=first.next_page_token)
    with pytest.raises(InvalidListing):
        answers.list_reviewers(other)


def test_a_seller_has_a_ring(store: Store, answers: InsightAnswers) -> None:
    """Who shares photos with the seller is told, with how many; of an unknown seller nothing is."""
    open_case(store)
    link = RingLink(first_seller_id="s1", second_seller_id="s2", photos=3, titles=0)
    store.put_rings([Ring(seller_ids=("s1", "s2"), shared_photos=3, shared_titles=0, links=(link,))], now=NOON)

    response = answers.seller(pb.GetSellerRequest(seller_id="s1"), NOBODY)

    assert [(one.seller_id, one.listing_count) for one in response.ring.members] == [("s1", 1), ("s2", 0)]
    (edge,) = response.ring.links
    assert (edge.first_seller_id, edge.second_seller_id, edge.shared_photo_count) == ("s1", "s2", 3)
    strikes = response.strikes
    assert strikes.rate == pytest.approx(strikes.alpha / (strikes.alpha + strikes.beta))
    with pytest.raises(NotFound):
        answers.seller(pb.GetSellerRequest(seller_id="nobody"), NOBODY)


def test_what_cannot_be_asked(answers: InsightAnswers) -> None:
    """Each request that breaks a rule is refused, and the field is named."""
    wrong = [
        (answers.volumes, pb.GetVolumesRequest(start_time=at(NOW), end_time=at(NOON)), "end_time"),
        (answers.volumes, pb.GetVolumesRequest(step=9), "step"),  # type: ignore[arg-type]
        (answers.volumes, pb.GetVolumesRequest(split=9), "split"),  # type: ignore[arg-type]
        (
            answers.volumes,
            pb.GetVolumesRequest(start_time=at(NOON - 100 * DAY), step=pb.VOLUME_STEP_HOUR),
            "start_time",
        ),
        (answers.precision, pb.GetPrecisionRequest(end_time=Timestamp(seconds=2**60)), "end_time"),
        (answers.drift, pb.GetDriftRequest(reference_start_time=at(NOW)), "reference_start_time"),
        (answers.calibration, pb.GetCalibrationRequest(brand=" x"), "brand"),
        (answers.list_reviewers, pb.ListReviewersRequest(page_size=-1), "page_size"),
        (answers.list_reviewers, pb.ListReviewersRequest(page_token="x"), "page_token"),
    ]

    for ask, request, field in wrong:
        with pytest.raises(InvalidListing) as refused:
            ask(request)  # type: ignore[operator]
        assert [one.field for one in refused.value.violations] == [field], request


def test_any_time_of_the_calendar_can_be_asked(store: Store, answers: InsightAnswers) -> None:
    """From the first moment of the year 1 on, in weeks: nothing overflows where the range is short."""
    open_case(store)
    early = pb.GetVolumesRequest(
        start_time=Timestamp(seconds=-62_135_596_800), end_time=Timestamp(seconds=-62_135_500_000),
        step=pb.VOLUME_STEP_WEEK,
    )  # fmt: skip

    assert not answers.volumes(early).series
    assert not answers.precision(pb.GetPrecisionRequest(end_time=Timestamp(seconds=-62_135_500_000))).brands
    assert answers.volumes(pb.GetVolumesRequest(end_time=at(NOON + HOUR))).series
