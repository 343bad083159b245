"""Is a report worth what its reporter's record says, and is one person one voice? And reports per sale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.rates import GammaPrior
from index.reporters import RELIABILITY, fit_reports, report_weights, reporter_weight, reports_per_sale
from index.reports import ReportOnRecord
from serving.domain import Listing
from serving.report_evidence import report_evidence

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LISTING = Listing(listing_id="l", images=(), seller_id="s")
COUNTS = st.integers(0, 10_000)


def a_report(reporter: str, *, upheld: int = 0, declined: int = 0, number: int = 0) -> ReportOnRecord:
    """Make a report about the listing."""
    return ReportOnRecord(
        report_id=f"{reporter}{number}", listing_id="l", reporter_id=reporter, reason_code="COUNTERFEIT",
        create_time=NOON, upheld=upheld, declined=declined,
    )  # fmt: skip


@dataclass(frozen=True)
class Reports:
    """Stands for the store's reports: the open ones about the listing, and how many were upheld about its seller."""

    open: tuple[ReportOnRecord, ...] = ()
    upheld: int = 0

    def reports_about(self, listing_id: str) -> tuple[ReportOnRecord, ...]:
        """Return those about the listing."""
        return tuple(report for report in self.open if report.listing_id == listing_id)

    def reports_about_seller(self, seller_id: str) -> int:
        """Return the count."""
        return self.upheld


def test_average_reporter_weighs_one_and_a_new_one_less() -> None:
    """A long average record is worth 1, none about two thirds, and one that was always right up to 2."""
    assert reporter_weight(5_000, 5_000) == pytest.approx(1.0, abs=0.02)
    assert reporter_weight(0, 0) == pytest.approx(0.65, abs=0.01)
    assert reporter_weight(10_000, 0) == pytest.approx(1 / RELIABILITY.mean, abs=0.01)


def test_bad_reporter_s_reports_come_to_nothing() -> None:
    """A hundred declined reports later, a reporter needs hundreds of accounts to count as one."""
    assert reporter_weight(0, 10) < 0.25
    assert reporter_weight(0, 100) < 0.03


@given(upheld=COUNTS, declined=COUNTS)
def test_each_settled_report_moves_the_weight(upheld: int, declined: int) -> None:
    """An upheld report makes the next one weigh more, a declined one less, within 0 and 1 / prior mean."""
    weight = reporter_weight(upheld, declined)

    assert 0 <= reporter_weight(upheld, declined + 1) < weight < reporter_weight(upheld + 1, declined)
    assert weight < 1 / RELIABILITY.mean


def test_reporter_counts_once() -> None:
    """The same person reporting a listing ten times is one voice."""
    often = [a_report("a", upheld=3, number=number) for number in range(10)]

    assert report_weights([*often, a_report("b")]) == {"a": reporter_weight(3, 0), "b": reporter_weight(0, 0)}


def test_reports_become_evidence() -> None:
    """Reports, reporters and weight are told; another listing's reports are not."""
    about_another = ReportOnRecord(
        report_id="r", listing_id="other", reporter_id="c", reason_code="COUNTERFEIT", create_time=NOON
    )
    records = Reports(open=(a_report("a"), a_report("a", number=1), a_report("b", upheld=20), about_another))

    evidence = report_evidence(LISTING, records)

    assert evidence is not None
    assert (evidence.reports, evidence.reporters) == (3, 2)
    assert evidence.weight == pytest.approx(reporter_weight(0, 0) + reporter_weight(20, 0))


def test_no_report_is_no_evidence() -> None:
    """Without a report, or without anywhere to ask, nothing is said."""
    assert report_evidence(LISTING, Reports()) is None
    assert report_evidence(LISTING, None) is None


def test_one_report_about_a_small_seller_is_no_epidemic() -> None:
    """A report in 3 sales is hardly more than what is usual; 30 in 300 are."""
    few, many = reports_per_sale(1, 3), reports_per_sale(30, 300)

    assert few.mean == pytest.approx(2 / 203)
    assert many.mean == pytest.approx(31 / 500)
    assert few.low < 0.005 < many.low


def test_usual_rate_of_reports_is_fitted_when_there_are_enough() -> None:
    """From 5,000 sellers the mean comes out within 5%; from 199 none does."""
    random = np.random.default_rng(0)
    sales = random.integers(10, 5_000, 5_000).astype(float)
    upheld = random.poisson(random.gamma(1.0, 1 / 200.0, len(sales)) * sales).astype(float)

    fitted = fit_reports(upheld, sales)

    assert fitted is not None
    assert fitted.mean == pytest.approx(GammaPrior(1.0, 200.0).mean, rel=0.05)
    assert fit_reports(upheld[:199], sales[:199]) is None
