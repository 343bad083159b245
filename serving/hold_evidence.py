"""Is the listing under a legal hold? Asked of the store at each screening, so that an order binds at once.

Called by `serving.pipeline` once the brand at stake is known. A lookup that fails is a failed stage: a person looks.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Protocol

from index.holds import LegalHold
from serving.domain import Listing
from serving.evidence import SEEN, BrandAtStake
from serving.findings import Evidence, VisualMatch


class HoldRecords(Protocol):
    """What keeps legal holds; the store does."""

    def holds_on(
        self, *, listing_id: str, seller_id: str, brands: Collection[str], at: datetime
    ) -> tuple[LegalHold, ...]:
        """Return the holds that cover a listing at a moment."""


def holds_on(
    listing: Listing, at_stake: BrandAtStake, evidence: Sequence[Evidence], records: HoldRecords
) -> tuple[LegalHold, ...]:
    """Find the holds on the listing, its seller, the brand at stake and those seen: a claim may hide the latter."""
    seen = {item.brand for item in evidence if isinstance(item, VisualMatch) and item.probability >= SEEN}
    brands = {name for name in (at_stake.name, *seen) if name}
    return records.holds_on(
        listing_id=listing.listing_id, seller_id=listing.seller_id, brands=brands, at=datetime.now(UTC)
    )
