"""What becomes of one handbag at another price, by another seller, or used? Whole decisions, over a real connection.

The bag usually costs 1,000; its brand keeps a list of authorised sellers, and thirty prices are on record.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from google.type.money_pb2 import Money as WireMoney

from index.market_records import AuthorisedSeller, PriceObservation
from index.money import Money
from serving.app import open_application
from tests.integration.support import BOREALIS, BOREALIS_BAG, Service, Start, codes, draw, fill, listing, settings_at
from touchstone.moderation.v1 import decision_pb2

pytestmark = pytest.mark.usefixtures("acts_are_entered")

BOUTIQUE = "borealis-boutique"
CATEGORY = "fashion > bags > handbags"


@pytest.fixture(scope="module")
def shop(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a registry in which a Borealis handbag usually costs 1,000."""
    with open_application(settings_at(tmp_path_factory.mktemp("shop"))) as application:
        fill(application)
        application.store.set_authorised_sellers(BOREALIS.brand_id, [AuthorisedSeller(seller_id=BOUTIQUE)])
        application.store.add_price_observations(
            PriceObservation(
                brand=BOREALIS.name,
                category=CATEGORY,
                condition="new",
                unit_price=Money(Decimal(900 + 7 * number), "USD"),
                observation_id=f"bag{number}",
            )
            for number in range(30)
        )
        application.knowledge.refresh()
        with start(application) as running:
            yield running


def offer(shop: Service, *, price: int, seller: str, condition: str = "new") -> decision_pb2.Decision:
    """Offer the bag, with a photo in which it is seen."""
    return shop.screen(
        listing(
            draw(BOREALIS_BAG, kind="JPEG", quality=60),
            title="Borealis handbag",
            claimed_brand="Borealis",
            category=CATEGORY,
            condition=condition,
            price=WireMoney(currency_code="USD", units=price),
            seller_id=seller,
            market="DE",
        )
    ).decision


def price_says(decision: decision_pb2.Decision) -> str:
    """Read the sentence about the price."""
    (price,) = (item.price for item in decision.evidence if item.HasField("price"))
    return str(price.explanation)


def test_far_too_cheap_by_an_unknown_seller_is_reviewed_for_three_reasons(shop: Service) -> None:
    """A bag worth 1,000 at 50: the mark is seen, the price is far below, the seller is not on the brand's list."""
    decision = offer(shop, price=50, seller="nobody-knows")

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert {"PRICE_FAR_BELOW_USUAL", "SELLER_NOT_AUTHORISED", "BRAND_SEEN"} <= codes(decision)
    weights = {reason.code: reason.weight for reason in decision.reasons}
    assert min(weights[code] for code in ("PRICE_FAR_BELOW_USUAL", "SELLER_NOT_AUTHORISED", "BRAND_SEEN")) > 0


def test_a_discount_by_an_authorised_seller_is_allowed(shop: Service) -> None:
    """The same bag at 700 in the brand's own boutique."""
    decision = offer(shop, price=700, seller=BOUTIQUE)

    assert decision.verdict == decision_pb2.VERDICT_ALLOW, decision.reasons
    assert "SELLER_AUTHORISED" in codes(decision)
    assert "sale" in price_says(decision)


def test_a_used_bag_at_half_the_price_is_consistent_with_used_goods(shop: Service) -> None:
    """The evidence names the best innocent explanation, and the price is no reason by itself."""
    decision = offer(shop, price=450, seller=BOUTIQUE, condition="used, worn twice")

    assert "consistent with used goods" in price_says(decision)
    assert "PRICE_FAR_BELOW_USUAL" not in codes(decision)
    assert decision.verdict == decision_pb2.VERDICT_ALLOW, decision.reasons


def test_evidence_names_every_level_that_the_price_rests_on(shop: Service) -> None:
    """Expected price, interval, and the number of prices at each level."""
    (price,) = (item.price for item in offer(shop, price=50, seller="x").evidence if item.HasField("price"))

    assert 900 < price.expected.units < 1100
    assert price.low.units < price.expected.units < price.high.units
    assert max(level.observation_count for level in price.levels) >= 30
    assert all(level.name for level in price.levels)


def test_no_price_and_no_mark_takes_a_listing_down(shop: Service) -> None:
    """Nearly for nothing, with the mark seen, by a seller on nobody's list: still a person looks."""
    decision = offer(shop, price=1, seller="nobody-knows")

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert decision.certificate_id == ""
    assert decision.fusion_version
    assert decision.calibration_version
    assert decision.rule_ids
