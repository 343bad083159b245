"""What do price, seller and brand claim say? The evidence that needs more than pixels, one function per kind.

Called by `serving.pipeline` after search and classification; each function returns evidence or nothing, and never a
verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from index.money import Money
from index.pricing import PriceModel, PriceQuery
from index.records import Brand, Seller, SellerTally
from serving.domain import (
    Category,
    CategoryEvidence,
    CategoryGuess,
    Listing,
    PriceEvidence,
    Reason,
    SellerEvidence,
    TextHit,
    TextKind,
    VisualMatch,
)
from serving.wording import BrandLexicon
from vision.taxonomy import Taxonomy

# A brand seen with at least this probability is at stake, claimed or not.
SEEN = 0.5
# Contradicting a seller's claim needs more: the seen brand at least this, the claimed one hardly seen at all.
CONTRADICTS = 0.8
HARDLY_SEEN = 0.3
# A predicted category counts as evidence, and is described, from this probability on.
SETTLED_CATEGORY = 0.4


class SellerRecords(Protocol):
    """What seller evidence needs of the store."""

    def find_seller(self, seller_id: str) -> Seller | None:
        """Find a seller; None when nobody told of them."""

    def seller_tally(self, seller_id: str) -> SellerTally:
        """Count a seller's decisions and strikes."""

    def authorisation(self, brand_id: str, seller_id: str, territory: str) -> bool | None:
        """Say whether the brand lists the seller; None when it keeps no list."""


@dataclass(frozen=True)
class BrandAtStake:
    """The brand that price and seller are judged against; `brand` is None when it is not in the registry."""

    name: str = ""
    brand: Brand | None = None


def brand_at_stake(
    listing: Listing,
    claimed: Brand | None,
    hits: Sequence[TextHit],
    matches: Sequence[VisualMatch],
    lexicon: BrandLexicon,
) -> BrandAtStake:
    """Choose the brand at stake: the claimed one, else the one seen, else the one named in the words.

    A claim that the registry does not know still names a brand, for the price history may know it.
    """
    if claimed is not None:
        return BrandAtStake(claimed.name, claimed)
    if matches and matches[0].probability >= SEEN:
        best = matches[0]
        return BrandAtStake(best.brand, Brand(brand_id=best.brand_id, name=best.brand))
    for hit in hits:
        if hit.kind is TextKind.BRAND and (named := lexicon.resolve(hit.brand)):
            return BrandAtStake(named.name, named)
    return BrandAtStake(listing.claimed_brand)


def claim_mismatch(
    listing: Listing, claimed: Brand | None, hits: Sequence[TextHit], matches: Sequence[VisualMatch]
) -> TextHit | None:
    """Compare the claimed brand with the words and the photos; None when nothing contradicts it.

    Words contradict when they name registry brands but not the claimed one; photos when another brand is clearly
    seen and the claimed one hardly.
    """
    if claimed is None:
        return None
    in_words = [hit.brand for hit in hits if hit.kind is TextKind.BRAND and hit.field_name == "title"]
    seen = [match.brand for match in matches if match.probability >= CONTRADICTS]
    claimed_seen = any(match.brand_id == claimed.brand_id and match.probability >= HARDLY_SEEN for match in matches)
    if in_words and claimed.name not in in_words:
        other = in_words[0]
    elif seen and not claimed_seen:
        other = seen[0]
    else:
        return None
    return TextHit(
        kind=TextKind.BRAND_CLAIM_MISMATCH,
        field_name="claimed_brand",
        start=0,
        end=len(listing.claimed_brand),
        matched=listing.claimed_brand,
        brand=other,
    )


def settled(category: Category, taxonomy: Taxonomy) -> Category:
    """Leave out a mere guess, which is told and proves nothing; leaves of one kind speak together, as shoes do."""
    siblings = (each.probability for each in category.alternatives if taxonomy.related(category.path, each.path))
    probability = min(category.probability + sum(siblings), 1.0) if category.path else 0.0
    return replace(category, probability=probability) if probability >= SETTLED_CATEGORY else Category()


def category_evidence(listing: Listing, predicted: CategoryGuess, taxonomy: Taxonomy) -> CategoryEvidence | None:
    """Compare the declared with the predicted category; None when the seller declared none."""
    if not listing.category:
        return None
    declared = taxonomy.match(listing.category)
    contradicts = declared is not None and predicted.path != () and not taxonomy.related(declared.path, predicted.path)
    return CategoryEvidence(
        declared=listing.category,
        declared_path=declared.path if declared else (),
        predicted=predicted,
        mismatch=contradicts,
    )


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
