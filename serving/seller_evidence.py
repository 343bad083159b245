"""What is known of the seller? Seller evidence, or none where the listing names no seller.

Called by `serving.pipeline` when the brand at stake is known; never a verdict. Nothing personal is read here: a
seller's identity counts only by the state of its verification.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from index.records import DuplicateSource
from index.reporters import reports_per_sale
from index.standing import SellerStanding
from index.verification import VerificationState
from serving.domain import Decision, Listing, Verdict
from serving.evidence import BrandAtStake
from serving.findings import Duplicate, SellerEvidence
from serving.report_evidence import ReportRecords


class SellerRecords(Protocol):
    """What seller evidence needs of the store."""

    def seller_standing(
        self, seller_id: str, *, now: datetime, brand_id: str = "", territory: str = ""
    ) -> SellerStanding:
        """Return how a seller stands now, and what the brand's list says of them."""


def seller_evidence(
    listing: Listing, at_stake: BrandAtStake, records: SellerRecords, reports: ReportRecords | None = None
) -> SellerEvidence | None:
    """Look the seller up; None when the listing names none."""
    if not listing.seller_id:
        return None
    brand_id = at_stake.brand.brand_id if at_stake.brand else ""
    stands = records.seller_standing(
        listing.seller_id, now=datetime.now(UTC), brand_id=brand_id, territory=listing.market
    )
    tally, ring, listed, rate = stands.tally, stands.ring, stands.authorisation, stands.strike_rate
    upheld = reports.reports_about_seller(listing.seller_id) if reports is not None else 0
    sales = stands.seller.sales if stands.seller else None
    exposure = tally.decisions if sales is None else sales
    return SellerEvidence(
        seller_id=listing.seller_id,
        known=stands.known,
        brand=at_stake.name,
        authorised=listed.authorised if listed else None,
        territory=listed.territory if listed else "",
        verified=stands.verification is VerificationState.VERIFIED,
        verification=stands.verification,
        age_days=stands.age_days,
        strikes=tally.strikes,
        decisions=tally.decisions,
        decayed_strikes=tally.decayed.strikes,
        decayed_decisions=tally.decayed.listings,
        strike_rate=rate.mean,
        strike_rate_low=rate.low,
        ring_id=ring.ring_id if ring else "",
        ring_size=ring.size if ring else 0,
        ring_rate=stands.ring_prior.mean if stands.ring_prior else 0.0,
        upheld_reports=upheld,
        exposure=exposure,
        sales_known=sales is not None,
        reports_per_sale=reports_per_sale(upheld, exposure, prior=stands.report_prior).mean,
    )


def presumed_strike(decision: Decision) -> bool:
    """Tell whether a decision counts against the seller unless a person clears it: a known counterfeit, taken down."""
    known = any(
        isinstance(item, Duplicate) and item.source is DuplicateSource.KNOWN_COUNTERFEIT for item in decision.evidence
    )
    return decision.verdict is Verdict.TAKEDOWN and known
