"""Which screened prices does the price model learn from? Only those of cleared listings, and few of any one seller.

`serving.moderation` records what comes out in the decision's own transaction; every replica's model follows it from
the store. A counterfeiter must not be able to teach the model low prices: listings in REVIEW teach nothing, nor do
prices for which a counterfeit is the likelier explanation, prices that the words say are a sale's, those of new sellers
whom nobody vouches for, nor a seller's second price of a kind on one day. docs/pricing.md says what it still takes.
"""

from __future__ import annotations

import hashlib

from index.market_records import PriceObservation
from index.names import normalise_name
from index.price_rows import condition_of
from serving.domain import Decision, Listing, Verdict
from serving.findings import PriceEvidence, SellerEvidence
from serving.gathering import NEW_SELLER_DAYS


def cleared_price(listing: Listing, decision: Decision, brand: str) -> PriceObservation | None:
    """Return the price that a decision cleared, of the goods of `brand`; None when there is nothing to learn from it.

    Its id is made of seller, kind of goods and day: the store skips what it holds. The kind is the brand, the
    department that the photos show and the condition; the seller's own words for the category would make any number.
    """
    evidence = next((item for item in decision.evidence if isinstance(item, PriceEvidence)), None)
    if decision.verdict is not Verdict.ALLOW or evidence is None or not brand or not _is_settled(decision):
        return None
    if evidence.unit_price.amount <= 0 or evidence.score > 0.0 or evidence.declared_sale:
        return None
    category = listing.category or " > ".join(decision.category.path)
    kind = (normalise_name(brand), *decision.category.path[:1], condition_of(listing.condition).value)
    parts = "\0".join((listing.seller_id, *kind, decision.create_time.date().isoformat()))
    return PriceObservation(
        brand=brand,
        category=category,
        condition=listing.condition,
        unit_price=evidence.unit_price,
        observation_id=f"screened:{hashlib.sha256(parts.encode()).hexdigest()}",
        observe_time=decision.create_time,
    )


def _is_settled(decision: Decision) -> bool:
    """Tell whether the seller is known for long enough, or vouched for: accounts cost nothing, patience does."""
    seller = next((item for item in decision.evidence if isinstance(item, SellerEvidence)), None)
    if seller is None:
        return False
    vouched = seller.verified or seller.authorised is True
    return vouched or (seller.age_days is not None and seller.age_days >= NEW_SELLER_DAYS)
