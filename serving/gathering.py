"""What is known of one listing? Its evidence, flattened into the facts that `serving.facts` documents.

Called by `serving.pipeline` when all evidence is in; a photo or stage that failed becomes a fault that no policy may
overlook.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from index.holds import HoldVerdict, LegalHold
from index.records import DuplicateSource
from serving.domain import Category, ImageResult, Listing, Reason
from serving.facts import FACTS, NO_DISTANCE, Facts, Value
from serving.findings import (
    CategoryEvidence,
    Duplicate,
    Evidence,
    PriceEvidence,
    ReportEvidence,
    SellerEvidence,
    TextHit,
    TextKind,
    VisualMatch,
)
from vision.hashing import MATCH_DISTANCE

NO_CATEGORY = Category()
# A seller is new for so long. A choice: what a suspended seller needs to come back and to be found again.
NEW_SELLER_DAYS = 30
# From this probability on a brand counts as seen.
MATCHED = 0.5


def gather(
    listing: Listing,
    evidence: Sequence[Evidence],
    *,
    images: Sequence[ImageResult],
    brand: str,
    brand_known: bool,
    category: Category = NO_CATEGORY,
    holds: Sequence[LegalHold] = (),
    faults: Iterable[Reason] = (),
) -> Facts:
    """Flatten one listing's evidence.

    `brand` is the brand at stake, empty when none is; `category` what the photos show; `holds` the orders that stand.
    """
    values: dict[str, Value] = {name: fact.neutral for name, fact in FACTS.items()}
    values |= {
        "listing.claimed_brand": listing.claimed_brand,
        "listing.condition": listing.condition,
        "listing.market": listing.market,
        "images.count": len(images),
        "images.unreadable": sum(image.fault is not None for image in images),
        "brand.name": brand,
        "brand.known": brand_known,
        "category.predicted": " > ".join(category.path),
        "category.probability": category.probability,
    }
    values |= _legal_holds(holds)
    matches = [item for item in evidence if isinstance(item, VisualMatch)]
    values |= _visual(matches)
    values |= _duplicates([item for item in evidence if isinstance(item, Duplicate)])
    values |= _text([item for item in evidence if isinstance(item, TextHit)])
    for item in evidence:
        match item:
            case CategoryEvidence():
                values |= _category(item)
            case PriceEvidence():
                values |= _price(item)
            case SellerEvidence():
                values |= _seller(item, shared=_shows_another(matches, brand))
            case ReportEvidence():
                values |= _reports(item)
            case _:
                pass
    return Facts(values, (*_image_faults(images), *faults))


def _image_faults(images: Sequence[ImageResult]) -> tuple[Reason, ...]:
    if not images:
        return (Reason("NO_IMAGES", "The listing has no photo that could be looked at"),)
    faults = [image for image in images if image.fault is not None]
    if not faults:
        return ()
    kinds = ", ".join(sorted({str(image.fault) for image in faults}))
    if len(faults) == len(images):
        return (Reason("IMAGES_UNREADABLE", f"None of the {len(images)} photos could be used: {kinds}"),)
    return (Reason("IMAGE_UNREADABLE", f"{len(faults)} of {len(images)} photos could not be used: {kinds}"),)


def _visual(matches: Sequence[VisualMatch]) -> dict[str, Value]:
    if not matches:
        return {}
    best = max(matches, key=lambda match: match.probability)
    return {
        "visual.matched": best.probability >= MATCHED,
        "visual.brand": best.brand,
        "visual.similarity": best.similarity,
        "visual.probability": best.probability,
    }


def _duplicates(copies: Sequence[Duplicate]) -> dict[str, Value]:
    fakes = _surest_first(copies, DuplicateSource.KNOWN_COUNTERFEIT)
    removed = _surest_first(copies, DuplicateSource.REMOVED_LISTING)
    return {
        "duplicate.known_counterfeit": bool(fakes),
        "duplicate.known_counterfeit_distance": fakes[0].distance if fakes else NO_DISTANCE,
        "duplicate.known_counterfeit_details": _details(fakes[0]) if fakes else 0,
        "duplicate.known_counterfeit_finding": _finding(fakes[0]) if fakes else "",
        "duplicate.removed_listing": bool(removed),
        "duplicate.removed_listing_finding": f"{removed[0].source_id}, {_finding(removed[0])}" if removed else "",
        "duplicate.official": any(copy.source is DuplicateSource.OFFICIAL_REFERENCE for copy in copies),
    }


def _surest_first(copies: Sequence[Duplicate], source: DuplicateSource) -> list[Duplicate]:
    """Put the copies of one source in order: by their hashes, then by how many details prove them."""
    of_source = [copy for copy in copies if copy.source is source]
    return sorted(of_source, key=_likeness)


def _likeness(copy: Duplicate) -> tuple[bool, int, int]:
    """Rank copies by their hashes where those are near, then by the details in place."""
    near = copy.distance <= MATCH_DISTANCE
    return not near, copy.distance if near else -_details(copy), copy.distance


def _details(copy: Duplicate) -> int:
    """Count the details that prove a copy; 0 when file or hash do by themselves."""
    return copy.verification.inliers if copy.verification is not None else 0


def _finding(copy: Duplicate) -> str:
    """Say what a person can check: the same file, hashes close to each other, or details in their places."""
    flipped = ", flipped left to right" if copy.mirrored else ""
    if copy.exact:
        how = "the same file"
    elif _details(copy):
        how = f"{_details(copy)} details in the same places{flipped}"
    else:
        how = f"{copy.distance} of 256 bits differ{flipped}"
    return f"photo {copy.image_index + 1}: {how}"


def _text(hits: Sequence[TextHit]) -> dict[str, Value]:
    replica, look_alikes, contacts = (
        [hit.matched for hit in hits if hit.kind is kind]
        for kind in (TextKind.REPLICA_WORDING, TextKind.LOOK_ALIKE, TextKind.OFF_PLATFORM_CONTACT)
    )
    return {
        "text.replica_wording": bool(replica),
        "text.replica_words": replica,
        "text.brands": sorted({hit.brand for hit in hits if hit.kind is TextKind.BRAND}),
        "text.claim_mismatch": any(hit.kind is TextKind.BRAND_CLAIM_MISMATCH for hit in hits),
        "text.look_alike": bool(look_alikes),
        "text.look_alikes": look_alikes,
        "text.look_alike_brands": sorted({hit.brand for hit in hits if hit.kind is TextKind.LOOK_ALIKE}),
        "text.off_platform_contact": bool(contacts),
        "text.contacts": contacts,
        "text.in_photo": [hit.matched for hit in hits if hit.image_index is not None],
    }


def _category(evidence: CategoryEvidence) -> dict[str, Value]:
    return {
        "category.declared": evidence.declared,
        "category.declared_path": " > ".join(evidence.declared_path),
        "category.predicted": " > ".join(evidence.predicted.path),
        "category.probability": evidence.predicted.probability,
        "category.mismatch": evidence.mismatch,
    }


def _legal_holds(holds: Sequence[LegalHold]) -> dict[str, Value]:
    if not holds:
        return {}
    # Where orders contradict each other a person finds out which one binds.
    down = all(hold.verdict is HoldVerdict.TAKEDOWN for hold in holds)
    return {
        "legal_hold.active": True,
        "legal_hold.verdict": str(HoldVerdict.TAKEDOWN if down else HoldVerdict.REVIEW),
        "legal_hold.ids": [hold.hold_id for hold in holds],
        "legal_hold.reason": "; ".join(hold.sentence for hold in holds),
    }


def _price(evidence: PriceEvidence) -> dict[str, Value]:
    return {
        "price.known": True,
        "price.ratio": evidence.ratio,
        "price.score": evidence.score,
        "price.observations": evidence.observations,
        "price.story": str(evidence.story),
        "price.meant_in": evidence.meant_in,
        "price.declared_discount": evidence.declared_discount,
    }


def _shows_another(matches: Sequence[VisualMatch], brand: str) -> bool:
    """Tell whether a brand other than the one at stake is seen: whom the one lists may not sell the other."""
    return any(match.probability >= MATCHED and match.brand != brand for match in matches)


def _seller(evidence: SellerEvidence, *, shared: bool) -> dict[str, Value]:
    return {
        "seller.known": evidence.known,
        "seller.verified": evidence.verified,
        "seller.authorised": evidence.authorised is True and not shared,
        "seller.unauthorised": evidence.authorised is False,
        "seller.strikes": evidence.strikes,
        "seller.verification": str(evidence.verification),
        "seller.new": evidence.age_days is None or evidence.age_days < NEW_SELLER_DAYS,
        "seller.strike_rate": evidence.strike_rate,
        "seller.strike_rate_low": evidence.strike_rate_low,
        "seller.decisions": evidence.decisions,
        "seller.ring_size": evidence.ring_size,
        "seller.ring_rate": evidence.ring_rate,
        "seller.reports_per_sale": evidence.reports_per_sale if evidence.upheld_reports else 0.0,
    }


def _reports(evidence: ReportEvidence) -> dict[str, Value]:
    return {
        "reports.count": evidence.reports,
        "reports.reporters": evidence.reporters,
        "reports.weight": evidence.weight,
    }
