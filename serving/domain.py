"""What a listing and a decision are, free of wire, store and framework types; `serving.findings` has the evidence.

Everything here is a frozen value. `serving.wire.requests` translates to and from protobuf; `serving.pipeline` fills
these in the order of a listing's way through; `serving.policy` turns evidence into a verdict.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

from index.money import Money
from serving.findings import CategoryGuess, Evidence
from vision.errors import ImageFault


class Verdict(enum.StrEnum):
    """What happens to a listing. Order of precedence: TAKEDOWN over REVIEW over ALLOW."""

    ALLOW = "ALLOW"
    REVIEW = "REVIEW"
    TAKEDOWN = "TAKEDOWN"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """One offer as the marketplace sent it. `images` are encoded files; `category` is the seller's own words."""

    listing_id: str
    images: tuple[bytes, ...]
    title: str = ""
    description: str = ""
    claimed_brand: str = ""
    category: str = ""
    condition: str = ""
    price: Money | None = None
    unit_count: int = 1
    seller_id: str = ""
    market: str = ""


@dataclass(frozen=True)
class ImageResult:
    """What became of one image; `fault` is None when it was used. `width` and `height` are the upright pixels."""

    sha256: str
    width: int = 0
    height: int = 0
    fault: ImageFault | None = None
    message: str = ""


@dataclass(frozen=True)
class Reason:
    """Why: a stable code, a sentence for people, and the additive weight (log-odds) it put on the decision."""

    code: str
    text: str
    weight: float = 0.0


@dataclass(frozen=True)
class Attribute:
    """A measured or classified property, such as ("colour", "navy", 0.83)."""

    name: str
    value: str
    probability: float


@dataclass(frozen=True)
class Category:
    """The predicted category with its runners-up; an empty path means unknown."""

    path: tuple[str, ...] = ()
    probability: float = 0.0
    alternatives: tuple[CategoryGuess, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Verdict, evidence and the versions of everything that made it. Immutable once recorded.

    `uncalibrated_probability` is what `fusion_version` said, and `counterfeit_probability` what `calibration_version`
    makes of it; `certificate_id` is "" unless a takedown rests on a certificate; `rule_ids` are the rules that applied.
    """

    decision_id: str
    listing_id: str
    verdict: Verdict
    counterfeit_probability: float
    reasons: tuple[Reason, ...]
    evidence: tuple[Evidence, ...]
    category: Category
    description: str
    attributes: tuple[Attribute, ...]
    image_results: tuple[ImageResult, ...]
    model_fingerprint: str
    index_version: str
    policy_version: str
    create_time: datetime
    timings_ms: dict[str, float] = field(default_factory=dict)
    fusion_version: str = ""
    calibration_version: str = ""
    uncalibrated_probability: float = 0.0
    certificate_id: str = ""
    rule_ids: tuple[str, ...] = ()
