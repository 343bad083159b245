"""Which screened prices does the price model learn from? Only those of cleared listings, and few of any one seller.

`serving.moderation` records what comes out in the decision's own transaction; every replica's model follows it from
the store. A counterfeiter must not be able to teach the model low prices: listings in REVIEW teach nothing, nor do
prices for which a counterfeit is the likelier explanation, nor a seller's second price of a kind on one day.
"""

from __future__ import annotations

import hashlib

from index.market_records import PriceObservation
from index.price_rows import condition_of, level_keys
from serving.domain import Decision, Listing, Verdict
from serving.findings import PriceEvidence


def cleared_price(listing: Listing, decision: Decision, brand: str) -> PriceObservation | None:
    """Return the price that a decision cleared, of the goods of `brand`; None when there is nothing to learn from it.

    Its id is made of seller, goods and day: the store skips what it holds.
    """
    evidence = next((item for item in decision.evidence if isinstance(item, PriceEvidence)), None)
    if decision.verdict is not Verdict.ALLOW or evidence is None or not brand or not listing.seller_id:
        return None
    if evidence.unit_price.amount <= 0 or evidence.score > 0.0:
        return None
    category = listing.category or " > ".join(decision.category.path)
    goods = (level_keys(brand, category)[-1], condition_of(listing.condition).value)
    parts = "\0".join((listing.seller_id, *goods, decision.create_time.date().isoformat()))
    return PriceObservation(
        brand=brand,
        category=category,
        condition=listing.condition,
        unit_price=evidence.unit_price,
        observation_id=f"screened:{hashlib.sha256(parts.encode()).hexdigest()}",
        observe_time=decision.create_time,
    )
