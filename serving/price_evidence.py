"""What does the price say? Price evidence, or why there is none.

Called by `serving.pipeline` when the brand at stake and the category are known; never a verdict.
"""

from __future__ import annotations

from index.money import Money
from index.offer_words import declared_sale, declared_units
from index.price_query import PriceQuery
from index.pricing import PriceModel
from serving.domain import Category, Listing, Reason
from serving.evidence import BrandAtStake
from serving.findings import PriceEvidence


def price_evidence(
    listing: Listing, at_stake: BrandAtStake, category: Category, prices: PriceModel | None
) -> PriceEvidence | None:
    """Score the unit price against what the brand and category usually cost; None without price or history."""
    if listing.price is None or prices is None or not at_stake.name:
        return None
    units = pieces(listing)
    unit_price = Money(listing.price.amount / units, listing.price.currency)
    sale = declared_sale(listing.title, listing.description, price=float(listing.price.amount))
    assessment = prices.score(
        PriceQuery(
            brand=at_stake.name,
            category=listing.category or " > ".join(category.path),
            condition=listing.condition,
            unit_price=unit_price,
            sale=sale,
        )
    )
    if assessment is None:
        return None
    by_title = f"; the title says {units} pieces" if units != listing.unit_count else ""
    return PriceEvidence(
        unit_price=unit_price,
        expected=assessment.expected,
        low=assessment.low,
        high=assessment.high,
        ratio=assessment.ratio,
        score=assessment.score,
        basis=assessment.basis,
        observations=assessment.observations,
        explanation=assessment.explanation + by_title,
        story=assessment.story,
        meant_in=assessment.meant_in,
        levels=assessment.levels,
        unit_count=units,
        declared_sale=sale.words if sale else "",
        declared_discount=(sale.off or 0.0) if sale else 0.0,
    )


def pieces(listing: Listing) -> int:
    """Return how many pieces are offered: as declared, or as the title says where one is declared."""
    return listing.unit_count if listing.unit_count > 1 else declared_units(listing.title)


def price_fault(listing: Listing, at_stake: BrandAtStake, prices: PriceModel | None) -> Reason | None:
    """Say when a price cannot be checked for want of an exchange rate: a rare currency must not be a way round it."""
    if listing.price is None or prices is None or at_stake.brand is None:
        return None
    currency = listing.price.currency
    if currency in prices.rates.units_per_base:
        return None
    text = f"The price was not checked: there is no exchange rate for {currency}; the operator can supply one"
    return Reason("PRICE_NOT_COMPARABLE", text)
