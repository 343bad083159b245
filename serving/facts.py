"""What may a policy and the fusion model know? The evidence of one listing, flattened into typed, documented facts.

Every fact is always there: an absent price is `price.known = false` beside neutral numbers, never a missing name.
`FACTS` is the reference of names, types and meanings; a test keeps the table in docs/policy.md equal to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from index.holds import HoldVerdict, LegalHold
from index.records import DuplicateSource
from serving.domain import (
    Category,
    CategoryEvidence,
    Duplicate,
    Evidence,
    ImageResult,
    Listing,
    PriceEvidence,
    Reason,
    ReportEvidence,
    SellerEvidence,
    TextHit,
    TextKind,
    VisualMatch,
)

FactType = Literal["bool", "int", "double", "string", "list<string>"]
Value = bool | int | float | str | list[str]

# No near-copy is farther than the 256 bits of a PDQ hash; this stands for "none found".
NO_DISTANCE = 257
NO_CATEGORY = Category()
# A seller is new for so long. A choice: what a suspended seller needs to come back and to be found again.
NEW_SELLER_DAYS = 30


@dataclass(frozen=True)
class Fact:
    """One name that a policy may use: its CEL type, the value that stands for "nothing found", and what it means."""

    type: FactType
    neutral: Value
    meaning: str


FACTS: dict[str, Fact] = {
    "listing.claimed_brand": Fact("string", "", "brand that the seller names, as typed"),
    "listing.condition": Fact("string", "", "condition as typed by the seller"),
    "listing.market": Fact("string", "", "market of the offer, ISO 3166-1 alpha-2"),
    "images.count": Fact("int", 0, "photos sent"),
    "images.unreadable": Fact("int", 0, "photos that could not be used"),
    "brand.name": Fact("string", "", "the brand at stake: claimed, else seen, else named in the words"),
    "brand.known": Fact("bool", False, "the brand at stake is in the registry"),
    "visual.matched": Fact("bool", False, "a mark or product is seen with probability of at least 0.5"),
    "visual.brand": Fact("string", "", "brand of the best visual match"),
    "visual.similarity": Fact("double", -1.0, "cosine of the best visual match, -1..1"),
    "visual.probability": Fact("double", 0.0, "probability that the best match's brand is in the photo, 0..1"),
    "duplicate.known_counterfeit": Fact("bool", False, "a photo copies a known counterfeit"),
    "duplicate.known_counterfeit_distance": Fact(
        "int", NO_DISTANCE, "PDQ bits, of 256, that differ from the nearest one"
    ),
    "duplicate.known_counterfeit_details": Fact(
        "int", 0, "details of it in the same places in a photo whose hash differs too much; 0 when the hash tells"
    ),
    "duplicate.known_counterfeit_finding": Fact("string", "", "how its copy was recognised, as a sentence says it"),
    "duplicate.removed_listing": Fact("bool", False, "a photo copies one of a listing that was removed"),
    "duplicate.removed_listing_finding": Fact("string", "", "how its copy was recognised, and of which listing it is"),
    "duplicate.official": Fact("bool", False, "a photo copies a brand owner's own reference"),
    "text.replica_wording": Fact("bool", False, "title, description or writing in a photo speaks of replicas"),
    "text.replica_words": Fact("list<string>", [], "the replica wording as written"),
    "text.brands": Fact("list<string>", [], "registry brands named in title or description"),
    "text.claim_mismatch": Fact("bool", False, "the claimed brand is not the one that the words or photos show"),
    "text.look_alike": Fact("bool", False, "title, description, claim or writing in a photo imitates a brand's name"),
    "text.look_alikes": Fact("list<string>", [], "the imitations as written"),
    "text.look_alike_brands": Fact("list<string>", [], "registry brands that they imitate"),
    "text.off_platform_contact": Fact("bool", False, "a messenger, a link or a request leads buyers elsewhere"),
    "text.contacts": Fact("list<string>", [], "those contacts as written"),
    "text.in_photo": Fact("list<string>", [], "what of all that is written in a photo"),
    "category.declared": Fact("string", "", "category as typed by the seller"),
    "category.declared_path": Fact(
        "string", "", "path of the category that these words mean, `a > b`; empty when unknown"
    ),
    "category.predicted": Fact("string", "", "predicted path, `a > b`; empty when unknown"),
    "category.probability": Fact("double", 0.0, "probability of that category and its likeliest siblings, 0..1"),
    "category.mismatch": Fact("bool", False, "declared and predicted category contradict each other"),
    "price.known": Fact("bool", False, "a price was given and usual prices are on record"),
    "price.ratio": Fact("double", 1.0, "unit price / expected price"),
    "price.score": Fact("double", 0.0, "log-likelihood ratio of a counterfeit's price to an honest one"),
    "price.observations": Fact("int", 0, "prices on record behind the expectation"),
    "price.story": Fact(
        "string", "", "innocent explanation that fits best: `usual`, `sale`, `used`, `other goods` or `currency`"
    ),
    "price.meant_in": Fact("string", "", "currency in which the amount seems to be meant, ISO 4217, if not its own"),
    "price.declared_discount": Fact("double", 0.0, "share of the price that the words say is taken off, 0..1"),
    "seller.known": Fact("bool", False, "the seller is on record"),
    "seller.verified": Fact("bool", False, "the seller's identity is verified"),
    "seller.authorised": Fact("bool", False, "the brand at stake lists this seller as authorised"),
    "seller.unauthorised": Fact("bool", False, "the brand at stake keeps a list and this seller is not on it"),
    "seller.strikes": Fact("int", 0, "listings of this seller that count as strikes"),
    "seller.verification": Fact(
        "string", "", "UNVERIFIED, PENDING, VERIFIED, FAILED or EXPIRED; empty: no seller given"
    ),
    "seller.new": Fact("bool", False, "the seller's account or first listing is less than 30 days old, or unknown"),
    "seller.strike_rate": Fact("double", 0.0, "strikes per listing, estimated, the latest counting most, 0..1"),
    "seller.strike_rate_low": Fact("double", 0.0, "what that rate exceeds with a probability of 95%, 0..1"),
    "seller.decisions": Fact("int", 0, "listings of this seller decided on"),
    "seller.ring_size": Fact("int", 0, "sellers in the ring that shares photos and titles; 0: in none"),
    "seller.ring_rate": Fact("double", 0.0, "strikes per listing of the others in that ring, estimated, 0..1"),
    "seller.reports_per_sale": Fact("double", 0.0, "upheld reports per sale (per listing where sales are unknown)"),
    "reports.count": Fact("int", 0, "open reports by buyers about the listing"),
    "reports.reporters": Fact("int", 0, "buyers who reported it"),
    "reports.weight": Fact("double", 0.0, "reports weighed by the reporters' record"),
    "legal_hold.active": Fact("bool", False, "a legal hold covers the listing; no rule changes what it orders"),
    "legal_hold.verdict": Fact("string", "", "what it orders, `REVIEW` or `TAKEDOWN`; of several REVIEW goes first"),
    "legal_hold.ids": Fact("list<string>", [], "the holds by id"),
    "legal_hold.reason": Fact("string", "", "the holds in words"),
    "fused.probability": Fact("double", 0.0, "probability of a counterfeit, all evidence together, 0..1"),
}

FACT_TYPES: dict[str, FactType] = {name: fact.type for name, fact in FACTS.items()}


@dataclass(frozen=True)
class Facts:
    """Values by fact name, and the faults (as reasons) that no policy may overlook."""

    values: dict[str, Value]
    faults: tuple[Reason, ...] = ()

    def plus(self, name: str, value: Value) -> Facts:
        """Copy with one fact changed."""
        return Facts(self.values | {name: value}, self.faults)


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
    values |= _visual([item for item in evidence if isinstance(item, VisualMatch)])
    values |= _duplicates([item for item in evidence if isinstance(item, Duplicate)])
    values |= _text([item for item in evidence if isinstance(item, TextHit)])
    for item in evidence:
        match item:
            case CategoryEvidence():
                values |= _category(item)
            case PriceEvidence():
                values |= _price(item)
            case SellerEvidence():
                values |= _seller(item)
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
        "visual.matched": best.probability >= 0.5,
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
    return sorted(of_source, key=lambda copy: (_details(copy) > 0, -_details(copy), copy.distance))


def _details(copy: Duplicate) -> int:
    """Count the details that prove a copy; 0 when file or hash do."""
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


def _seller(evidence: SellerEvidence) -> dict[str, Value]:
    return {
        "seller.known": evidence.known,
        "seller.verified": evidence.verified,
        "seller.authorised": evidence.authorised is True,
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
