"""Only cleared listings teach the price model, and none of them much."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from index.money import Money
from serving.domain import Category, Decision, Listing, Verdict
from serving.findings import PriceEvidence, SellerEvidence
from serving.price_learning import cleared_price

LISTING = Listing(listing_id="l1", images=(), category="shoes", condition="new", seller_id="s1")
PRICE = PriceEvidence(
    unit_price=Money(Decimal(25), "EUR"), expected=Money(Decimal(30), "EUR"), low=Money(Decimal(15), "EUR"),
    high=Money(Decimal(60), "EUR"), ratio=0.8, score=-2.0, basis="brand", observations=42, explanation="",
)  # fmt: skip
SELLER = SellerEvidence(
    seller_id="s1", known=True, brand="Nike", authorised=None, verified=False, strikes=0, decisions=20, age_days=400
)
DECISION = Decision(
    decision_id="d1", listing_id="l1", verdict=Verdict.ALLOW, counterfeit_probability=0.01, reasons=(),
    evidence=(PRICE, SELLER), category=Category(), description="", attributes=(), image_results=(),
    model_fingerprint="", index_version="", policy_version="", create_time=datetime(2025, 9, 1, 12, tzinfo=UTC),
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
        (LISTING, replace(DECISION, evidence=(replace(PRICE, score=0.1), SELLER)), "Nike"),
        (LISTING, replace(DECISION, evidence=(replace(PRICE, declared_sale="-55%"), SELLER)), "Nike"),
        (LISTING, replace(DECISION, evidence=(SELLER,)), "Nike"),
        (LISTING, replace(DECISION, evidence=(PRICE, replace(SELLER, age_days=29))), "Nike"),
        (LISTING, replace(DECISION, evidence=(PRICE, replace(SELLER, age_days=None))), "Nike"),
        (LISTING, DECISION, ""),
        (replace(LISTING, seller_id=""), replace(DECISION, evidence=(PRICE,)), "Nike"),
    ],
)
def test_what_is_not_cleared_teaches_nothing(listing: Listing, decision: Decision, brand: str) -> None:
    """REVIEW, takedowns, suspicious prices, declared sales, unknown goods, new and unknown sellers are left out."""
    assert cleared_price(listing, decision, brand) is None


@pytest.mark.parametrize("seller", [replace(SELLER, verified=True), replace(SELLER, authorised=True)])
def test_a_new_seller_who_is_vouched_for_teaches(seller: SellerEvidence) -> None:
    """A verified identity or the brand's list stands for the thirty days that others wait."""
    decision = replace(DECISION, evidence=(PRICE, replace(seller, age_days=1)))

    assert cleared_price(LISTING, decision, "Nike") is not None


def test_a_seller_teaches_one_price_of_a_kind_a_day() -> None:
    """Other words for the category change nothing; another day, department or condition does."""
    shoes, bags = Category(path=("shoes", "sandals")), Category(path=("bags",))
    seen = replace(DECISION, category=shoes)
    found = (
        cleared_price(LISTING, seen, "Nike"),
        cleared_price(replace(LISTING, listing_id="l2", category="shoes > 2"), seen, "NIKE"),
        cleared_price(LISTING, replace(seen, category=Category(path=("shoes", "boots"))), "Nike"),
        cleared_price(LISTING, replace(seen, create_time=DECISION.create_time + timedelta(days=1)), "Nike"),
        cleared_price(LISTING, replace(seen, category=bags), "Nike"),
        cleared_price(replace(LISTING, condition="used"), seen, "Nike"),
    )

    ids = [one.observation_id for one in found if one]
    assert len(ids) == 6
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == 4
