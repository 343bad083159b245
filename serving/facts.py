"""What may a policy and the fusion model know? Typed, documented facts, gathered by `serving.gathering`.

Every fact is always there: an absent price is `price.known = false` beside neutral numbers, never a missing name.
`FACTS` is the reference of names, types and meanings; a test keeps the table in docs/policy.md equal to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from serving.domain import Reason

FactType = Literal["bool", "int", "double", "string", "list<string>"]
Value = bool | int | float | str | list[str]

# No near-copy is farther than the 256 bits of a PDQ hash; this stands for "none found".
NO_DISTANCE = 257


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
    "seller.authorised": Fact(
        "bool", False, "the brand at stake lists this seller as authorised, and no other brand is seen"
    ),
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
