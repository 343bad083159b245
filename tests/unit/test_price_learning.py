"""Only cleared listings teach the price model, and none of them much."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from index.money import Money
from serving.domain import Category, Decision, Listing, Verdict
from serving.findings import PriceEvidence
from serving.price_learning import cleared_price

LISTING = Listing(listing_id="l1", images=(), category="shoes", condition="new", seller_id="s1")
PRICE = PriceEvidence(
    unit_price=Money(Decimal(25), "EUR"), expected=Money(Decimal(30), "EUR"), low=Money(Decimal(15), "EUR"),
    high=Money(Decimal(60), "EUR"), ratio=0.8, score=-2.0, basis="brand", observations=42, explanation="",
)  # fmt: skip
DECISION = Decision(
    decision_id="d1", listing_id="l1", verdict=Verdict.ALLOW, counterfeit_probability=0.01, reasons=(),
    evidence=(PRICE,), category=Category(), description="", attributes=(), image_results=(), model_fingerprint="",
    index_version="", policy_version="", create_time=datetime(2025, 9, 1, 12, tzinfo=UTC),
)  # fmt: skip


def test_a_cleared_price_is_learnt_per_piece() -> None:
    """An allowed listing's unit price is an observation of the brand at stake, with its time."""
    found = cleared_price(LISTING, DECISION, "Nike")

    assert found is not None
    assert (found.brand, found.category, found.unit_price) == ("Nike", "shoes", Money(Decimal(25), "EUR"))
    assert found.observe_time == DECISION.create_time


@pytest.mark.parametrize(
    ("listing", "decision", "brand"),
    [
        (LISTING, replace(DECISION, verdict=Verdict.REVIEW), "Nike"),
        (LISTING, replace(DECISION, verdict=Verdict.TAKEDOWN), "Nike"),
        (LISTING, replace(DECISION, evidence=(replace(PRICE, score=0.1),)), "Nike"),
        (LISTING, replace(DECISION, evidence=()), "Nike"),
        (LISTING, DECISION, ""),
        (replace(LISTING, seller_id=""), DECISION, "Nike"),
    ],
)
def test_what_is_not_cleared_teaches_nothing(listing: Listing, decision: Decision, brand: str) -> None:
    """REVIEW, takedowns, suspicious prices, unknown goods and unknown sellers are left out."""
    assert cleared_price(listing, decision, brand) is None


def test_a_seller_teaches_one_price_of_a_kind_a_day() -> None:
    """Another listing of the same goods has the same id on that day, and a new one the day after or for other goods."""
    first = cleared_price(LISTING, DECISION, "Nike")
    again = cleared_price(replace(LISTING, listing_id="l2"), DECISION, "NIKE")
    later = cleared_price(LISTING, replace(DECISION, create_time=DECISION.create_time + timedelta(days=1)), "Nike")
    other = cleared_price(replace(LISTING, category="bags"), DECISION, "Nike")

    ids = [one.observation_id for one in (first, again, later, other) if one]
    assert len(ids) == 4
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
