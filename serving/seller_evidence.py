"""What is known of the seller? Seller evidence, or none where the listing names no seller.

Called by `serving.pipeline` when the brand at stake is known; never a verdict. Nothing personal is read here: a
seller's identity counts only by the state of its verification.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

from index.priors import PriorKind, PriorRecord
from index.rates import BetaPrior, GammaPrior
from index.records import Authorisation, DuplicateSource, Seller, SellerTally
from index.reporters import REPORTS_PER_SALE, reports_per_sale
from index.rings import RingStanding
from index.strikes import DEFAULT_PRIOR, ring_prior, strike_rate
from index.verification import VerificationState
from serving.domain import Decision, Duplicate, Listing, SellerEvidence, Verdict
from serving.evidence import BrandAtStake
from serving.report_evidence import ReportRecords


class SellerRecords(Protocol):
    """What seller evidence needs of the store."""

    def find_seller(self, seller_id: str) -> Seller | None:
        """Find a seller; None when nobody told of them."""

    def seller_tally(self, seller_id: str, *, now: datetime | None = None) -> SellerTally:
        """Count a seller's listings and strikes."""

    def ring_of(self, seller_id: str, *, now: datetime | None = None) -> RingStanding | None:
        """Find the ring that a seller is in; None when in none."""

    def find_prior(self, kind: PriorKind) -> PriorRecord | None:
        """Find what is usual among sellers; None before the first fit."""

    def authorisation(
        self, brand_id: str, seller_id: str, territory: str, *, now: datetime | None = None
    ) -> Authorisation | None:
        """Say whether the brand lists the seller; None when it keeps no list."""


def seller_evidence(
    listing: Listing, at_stake: BrandAtStake, records: SellerRecords, reports: ReportRecords | None = None
) -> SellerEvidence | None:
    """Look the seller up; None when the listing names none."""
    if not listing.seller_id:
        return None
    now = datetime.now(UTC)
    seller = records.find_seller(listing.seller_id)
    tally = records.seller_tally(listing.seller_id, now=now)
    ring = records.ring_of(listing.seller_id, now=now)
    prior = _strike_prior(records)
    of_ring = ring_prior(ring.others, prior) if ring else None
    rate = strike_rate(tally.decayed, prior, ring=of_ring)
    listed = None
    if at_stake.brand is not None:
        listed = records.authorisation(at_stake.brand.brand_id, listing.seller_id, listing.market, now=now)
    state = seller.state_at(now) if seller else VerificationState.UNVERIFIED
    upheld = reports.reports_about_seller(listing.seller_id) if reports is not None else 0
    sales = seller.sales if seller else None
    exposure = tally.decisions if sales is None else sales
    return SellerEvidence(
        seller_id=listing.seller_id,
        known=seller is not None or tally.decisions > 0,
        brand=at_stake.name,
        authorised=listed.authorised if listed else None,
        territory=listed.territory if listed else "",
        verified=state is VerificationState.VERIFIED,
        verification=state,
        age_days=_age_days(seller, tally, now),
        strikes=tally.strikes,
        decisions=tally.decisions,
        decayed_strikes=tally.decayed.strikes,
        decayed_decisions=tally.decayed.listings,
        strike_rate=rate.mean,
        strike_rate_low=rate.low,
        ring_id=ring.ring_id if ring else "",
        ring_size=ring.size if ring else 0,
        ring_rate=of_ring.mean if of_ring else 0.0,
        upheld_reports=upheld,
        exposure=exposure,
        sales_known=sales is not None,
        reports_per_sale=reports_per_sale(upheld, exposure, prior=_report_prior(records)).mean,
    )


def presumed_strike(decision: Decision) -> bool:
    """Tell whether a decision counts against the seller unless a person clears it: a known counterfeit, taken down."""
    known = any(
        isinstance(item, Duplicate) and item.source is DuplicateSource.KNOWN_COUNTERFEIT for item in decision.evidence
    )
    return decision.verdict is Verdict.TAKEDOWN and known


def _strike_prior(records: SellerRecords) -> BetaPrior:
    fitted = records.find_prior(PriorKind.STRIKES)
    return BetaPrior(fitted.alpha, fitted.beta) if fitted else DEFAULT_PRIOR


def _report_prior(records: SellerRecords) -> GammaPrior:
    fitted = records.find_prior(PriorKind.REPORTS)
    return GammaPrior(fitted.alpha, fitted.beta) if fitted else REPORTS_PER_SALE


def _age_days(seller: Seller | None, tally: SellerTally, now: datetime) -> int | None:
    times = [seller.create_time if seller else None, tally.first_time]
    first = min((time for time in times if time is not None), default=None)
    return None if first is None else max((now - first).days, 0)
