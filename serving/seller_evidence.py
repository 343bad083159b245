"""What is known of the seller? Seller evidence, or none where the listing names no seller.

Called by `serving.pipeline` when the brand at stake is known; never a verdict.
"""

from __future__ import annotations

from typing import Protocol

from index.records import Seller, SellerTally
from serving.domain import Listing, SellerEvidence
from serving.evidence import BrandAtStake


class SellerRecords(Protocol):
    """What seller evidence needs of the store."""

    def find_seller(self, seller_id: str) -> Seller | None:
        """Find a seller; None when nobody told of them."""

    def seller_tally(self, seller_id: str) -> SellerTally:
        """Count a seller's decisions and strikes."""

    def authorisation(self, brand_id: str, seller_id: str, territory: str) -> bool | None:
        """Say whether the brand lists the seller; None when it keeps no list."""


def seller_evidence(listing: Listing, at_stake: BrandAtStake, records: SellerRecords) -> SellerEvidence | None:
    """Look the seller up; None when the listing names none."""
    if not listing.seller_id:
        return None
    seller = records.find_seller(listing.seller_id)
    tally = records.seller_tally(listing.seller_id)
    authorised = None
    if at_stake.brand is not None:
        authorised = records.authorisation(at_stake.brand.brand_id, listing.seller_id, listing.market)
    return SellerEvidence(
        seller_id=listing.seller_id,
        known=seller is not None or tally.decisions > 0,
        brand=at_stake.name,
        authorised=authorised,
        verified=seller is not None and seller.verified,
        strikes=tally.strikes,
        decisions=tally.decisions,
    )
