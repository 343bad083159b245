"""What may be found about a listing? The kinds of evidence, each kept apart and never summed before the policy sees it.

Frozen values, free of wire, store and framework types, as all of `serving.domain`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from index.money import Money
from index.price_query import LevelCount
from index.price_stories import Story
from index.records import DuplicateSource, ReferenceKind
from index.verification import VerificationState
from vision.regions import Box
from vision.verify import Verification


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Writing in a photo that names a brand: `text` as it was read, `confidence` of its letters, 0..1.

    Not `exact` when one letter differs from the brand's name, when only a piece of it is read, or when that is an
    everyday word as well.
    """

    image_index: int
    box: Box
    text: str
    confidence: float
    exact: bool

    @property
    def explanation(self) -> str:
        """The reading as a sentence for people."""
        says = f"'{self.text}' is read here"
        return says if self.exact else f"{says}: nearly the brand's name, a piece of it, or an everyday word as well"


@dataclass(frozen=True, kw_only=True)
class VisualMatch:
    """A region of a photo looks like a reference of a brand, or writing in it names the brand.

    `similarity` is the cosine, -1..1; `probability` says how likely the brand is really present, 0..1, similarity,
    verification and reading together. `verification` is None when neither the reference's points nor its drawing were
    found in the photo, `reading` when its name was not read in any.
    """

    image_index: int
    box: Box
    brand_id: str
    brand: str
    reference_id: str
    kind: ReferenceKind
    similarity: float
    probability: float
    verification: Verification | None = None
    reading: Reading | None = None


@dataclass(frozen=True, kw_only=True)
class Duplicate:
    """A photo is an exact or near copy of one that is on record.

    `distance` counts differing PDQ bits of 256, and is 256 when a photo has no hash. `verification` is what proves a
    copy whose hash does not: details of the photo on record, again in the arrangement that they have there.
    `source_sha256` is the file of the photo on record.
    """

    image_index: int
    source: DuplicateSource
    source_id: str
    brand: str
    distance: int
    exact: bool
    mirrored: bool
    verification: Verification | None = None
    source_sha256: str = ""


class TextKind(enum.StrEnum):
    """What kind of wording was found."""

    BRAND = "BRAND"
    LOOK_ALIKE = "LOOK_ALIKE"
    REPLICA_WORDING = "REPLICA_WORDING"
    BRAND_CLAIM_MISMATCH = "BRAND_CLAIM_MISMATCH"
    OFF_PLATFORM_CONTACT = "OFF_PLATFORM_CONTACT"


class LookAlikeMethod(enum.StrEnum):
    """How a word imitates a brand's name."""

    SPELLING = "SPELLING"
    SOUND = "SOUND"
    LETTERS = "LETTERS"
    SIGNS = "SIGNS"
    SPACING = "SPACING"
    ORDER = "ORDER"


@dataclass(frozen=True, kw_only=True)
class TextHit:
    """Wording in a field of the listing: characters `start`..`end` (Python string indexes) of `field_name`.

    A look-alike says by which `method` it imitates `brand`, and how many edits away (OSA; 0 where only its signs are
    others). What is read in a photo is of the field "images[N]" and of one line; `image_index` and `box` say where.
    `before` and `after` are the words around it, for people.
    """

    kind: TextKind
    field_name: str
    start: int
    end: int
    matched: str
    brand: str = ""
    language: str = ""
    method: LookAlikeMethod | None = None
    distance: int = 0
    image_index: int | None = None
    box: Box | None = None
    before: str = field(default="", compare=False)
    after: str = field(default="", compare=False)


@dataclass(frozen=True)
class CategoryGuess:
    """A category path such as `("fashion", "shoes", "sneakers")` with its probability, 0..1."""

    path: tuple[str, ...]
    probability: float


@dataclass(frozen=True, kw_only=True)
class CategoryEvidence:
    """Declared against predicted category. `declared_path` is empty when the declared words map to no leaf."""

    declared: str
    declared_path: tuple[str, ...]
    predicted: CategoryGuess
    mismatch: bool


@dataclass(frozen=True, kw_only=True)
class PriceEvidence:
    """How the unit price stands against what this brand and category usually cost.

    `expected`, `low` and `high` (the central 90%) are in the listing's own currency; `ratio` is unit price / expected;
    `score` is a log-likelihood ratio or z-like figure, larger = more suspicious; `basis` names the level and the count
    of prices it rests on ("brand x category", 42), `levels` has the count of every level. `story` is the innocent
    explanation that fits best, `meant_in` the currency in which the amount was meant if it is that one. `unit_count` is
    what the price was divided by; `declared_sale` the words that declare a sale, `declared_discount` the share that
    they take off, 0 when they state none.
    """

    unit_price: Money
    expected: Money
    low: Money
    high: Money
    ratio: float
    score: float
    basis: str
    observations: int
    explanation: str
    story: Story = Story.USUAL
    meant_in: str = ""
    levels: tuple[LevelCount, ...] = ()
    unit_count: int = 1
    declared_sale: str = ""
    declared_discount: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SellerEvidence:
    """What is known of the seller. `authorised` is None when the brand keeps no list of authorised sellers.

    `territory` is what the list authorises the seller for, "" for everywhere. `decayed_strikes` of `decayed_decisions`
    are `strikes` and `decisions` weighed by their age; `strike_rate` is the share of their listings that is struck, as
    it is estimated, and `strike_rate_low` what it exceeds with a probability of 95%. `ring_rate` is the rate of the
    others in the ring `ring_id`. `reports_per_sale` rests on `upheld_reports` and `exposure`: sales if `sales_known`,
    listings otherwise. `age_days` counts from the first that is known of the seller, None when nothing is.
    """

    seller_id: str
    known: bool
    brand: str
    authorised: bool | None
    verified: bool
    strikes: int
    decisions: int
    territory: str = ""
    verification: VerificationState = VerificationState.UNVERIFIED
    age_days: int | None = None
    decayed_strikes: float = 0.0
    decayed_decisions: float = 0.0
    strike_rate: float = 0.0
    strike_rate_low: float = 0.0
    ring_id: str = ""
    ring_size: int = 0
    ring_rate: float = 0.0
    upheld_reports: int = 0
    exposure: int = 0
    sales_known: bool = False
    reports_per_sale: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ReportEvidence:
    """Reports by buyers, weighed by the record of their `reporters`, each of whom counts once."""

    reports: int
    weight: float
    reporters: int = 0


Evidence = VisualMatch | Duplicate | TextHit | CategoryEvidence | PriceEvidence | SellerEvidence | ReportEvidence
