"""Which brand is at stake, and do claim and category agree with what is seen? Evidence that needs more than pixels.

Called by `serving.pipeline` after search and classification; each function returns evidence or nothing, and never a
verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from index.records import Brand
from serving.domain import Category, Listing
from serving.findings import CategoryEvidence, CategoryGuess, TextHit, TextKind, VisualMatch
from serving.words.wording import CLAIM, BrandLexicon
from vision.taxonomy import Taxonomy

# A brand seen with at least this probability is at stake, claimed or not.
SEEN = 0.5
# Contradicting a seller's claim needs more: the seen brand at least this, the claimed one hardly seen at all.
CONTRADICTS = 0.8
HARDLY_SEEN = 0.3
# A predicted category counts as evidence, and is described, from this probability on.
SETTLED_CATEGORY = 0.4


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
    """Choose the brand at stake: the claimed one or the one that the claim imitates, else the one seen.

    Else it is the one named in the words, else the one imitated there. A claim that the registry does not know still
    names a brand, for the price history may know it.
    """
    claimed = claimed or imitated_by_claim(hits, lexicon)
    if claimed is not None:
        return BrandAtStake(claimed.name, claimed)
    if matches and matches[0].probability >= SEEN:
        best = matches[0]
        return BrandAtStake(best.brand, Brand(brand_id=best.brand_id, name=best.brand))
    for kind in (TextKind.BRAND, TextKind.LOOK_ALIKE):
        for hit in hits:
            if hit.kind is kind and (named := lexicon.resolve(hit.brand)):
                return BrandAtStake(named.name, named)
    return BrandAtStake(listing.claimed_brand)


def imitated_by_claim(hits: Sequence[TextHit], lexicon: BrandLexicon) -> Brand | None:
    """Find the brand whose name the claimed one imitates: Adidas, where "Adibas" is claimed."""
    claims = (hit for hit in hits if hit.kind is TextKind.LOOK_ALIKE and hit.field_name == CLAIM)
    return next((lexicon.resolve(hit.brand) for hit in claims), None)


def claim_mismatch(
    listing: Listing, claimed: Brand | None, hits: Sequence[TextHit], matches: Sequence[VisualMatch]
) -> TextHit | None:
    """Compare the claimed brand with the words and the photos; None when nothing contradicts it.

    Words contradict when they name registry brands but not the claimed one, nor imitate it; photos when another brand
    is clearly seen and the claimed one hardly. `claimed` may be the brand that the claim only imitates.
    """
    if claimed is None:
        return None
    in_title = [hit for hit in hits if hit.field_name == "title"]
    in_words = [hit.brand for hit in in_title if hit.kind is TextKind.BRAND]
    imitated = any(hit.kind is TextKind.LOOK_ALIKE and hit.brand == claimed.name for hit in in_title)
    seen = [match.brand for match in matches if match.probability >= CONTRADICTS]
    claimed_seen = any(match.brand_id == claimed.brand_id and match.probability >= HARDLY_SEEN for match in matches)
    if in_words and claimed.name not in in_words and not imitated:
        other = in_words[0]
    elif seen and not claimed_seen:
        other = seen[0]
    else:
        return None
    return TextHit(
        kind=TextKind.BRAND_CLAIM_MISMATCH,
        field_name=CLAIM,
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
