"""What does the price say? Price evidence, or why there is none.

Called by `serving.pipeline` when the brand at stake and the category are known; never a verdict.
"""

from __future__ import annotations

from index.money import Money
from index.pricing import PriceModel, PriceQuery
from serving.domain import Category, Listing, PriceEvidence, Reason
from serving.evidence import BrandAtStake


def price_evidence(
    listing: Listing, at_stake: BrandAtStake, category: Category, prices: PriceModel | None
) -> PriceEvidence | None:
    """Score the unit price against what the brand and category usually cost; None without price or history."""
    if listing.price is None or prices is None or not at_stake.name:
        return None
    unit_price = Money(listing.price.amount / max(listing.unit_count, 1), listing.price.currency)
    assessment = prices.score(
        PriceQuery(
            brand=at_stake.name,
            category=listing.category or " > ".join(category.path),
            condition=listing.condition,
            unit_price=unit_price,
        )
    )
    if assessment is None:
        return None
    return PriceEvidence(
        unit_price=unit_price,
        expected=assessment.expected,
        low=assessment.low,
        high=assessment.high,
        ratio=assessment.ratio,
        score=assessment.score,
        basis=assessment.basis,
        observations=assessment.observations,
        explanation=assessment.explanation,
    )


def price_fault(listing: Listing, at_stake: BrandAtStake, prices: PriceModel | None) -> Reason | None:
    """Say when a price cannot be checked for want of an exchange rate: a rare currency must not be a way round it."""
    if listing.price is None or prices is None or at_stake.brand is None:
        return None
    currency = listing.price.currency
    if currency in prices.rates.units_per_base:
        return None
    text = f"The price was not checked: there is no exchange rate for {currency}; the operator can supply one"
    return Reason("PRICE_NOT_COMPARABLE", text)
