"""What does the store know of decisions? Frozen records of them, their photos, events and removed listings.

Part of what goes into `index.store` and comes out of it, as `index.records`; `serving.moderation` fills them in. All
times are timezone-aware.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """A decision on record, immutable. `payload` is its serialised form, opaque to the store.

    `request_sha256` digests the request that led to it: an `idempotency_key` used again must come with the same one.
    `brand` names the brand at stake, "" when none is; `claimed_brand_id` is the one that the seller's words claim,
    whatever the photos show, "" when they claim none that was known. `market` is the listing's, "" when it named none.
    `presumed_strike` marks a takedown that counts against the seller unless a person clears it: a copy of a known
    counterfeit. `title_signature` is `index.titles.signature`, None for a title that says too little. Of the payload,
    `probability` (0..1) and `price_ratio` (asked / expected) are kept beside it, to be counted; None when not known.
    """

    decision_id: str
    listing_id: str
    verdict: str
    create_time: datetime
    payload: bytes
    request_sha256: str
    idempotency_key: str | None = None
    seller_id: str = ""
    brand: str = ""
    claimed_brand_id: str = ""
    model_fingerprint: str = ""
    index_version: str = ""
    policy_version: str = ""
    market: str = ""
    presumed_strike: bool = False
    title_signature: bytes | None = None
    probability: float | None = None
    price_ratio: float | None = None


@dataclass(frozen=True, kw_only=True)
class RecordOutcome:
    """What is on record now. `created` is False when an earlier decision under the same idempotency key stands.

    `case_id` is the case that was opened with it, or "".
    """

    record: DecisionRecord
    created: bool
    case_id: str = ""


@dataclass(frozen=True, kw_only=True)
class ListingImage:
    """A photo of a listing: hex digest of the encoded file, and its 32-byte PDQ hash if the photo has one.

    `features` are its strongest keypoints (`LocalFeatures.to_bytes`) and `embedding` is its middle's (float16,
    little-endian, by the decision's model): a cropped or framed copy is recognised by them. None when not known.
    """

    sha256: str
    pdq: bytes | None = None
    features: bytes | None = None
    embedding: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class RemovedImage:
    """A photo of a listing that was removed from the marketplace; `brand` is the one that was at stake, or "".

    `embedding` as in `ListingImage`, by the model `fingerprint`; the keypoints stay in the store until asked for.
    """

    listing_id: str
    sha256: str
    pdq: bytes | None
    brand: str
    embedding: bytes | None = None
    fingerprint: str | None = None


class RemovalReason(enum.StrEnum):
    """Why the marketplace removed a listing. Only `COUNTERFEIT` makes its photos known."""

    COUNTERFEIT = "COUNTERFEIT"
    OTHER_VIOLATION = "OTHER_VIOLATION"
    ENDED_BY_SELLER = "ENDED_BY_SELLER"


@dataclass(frozen=True, kw_only=True)
class RemovedListing:
    """A listing that was removed, with the photos by which copies of it are recognised (none unless a counterfeit)."""

    listing_id: str
    decision_id: str
    reason: RemovalReason
    remove_time: datetime
    images: tuple[RemovedImage, ...]
    note: str = ""


class EventKind(enum.StrEnum):
    """What happened to a listing."""

    DECIDED = "decided"
    REMOVED = "removed"
    RESOLVED = "resolved"
    UNDONE = "undone"
    APPEAL_DECIDED = "appeal_decided"
    FORGOTTEN = "forgotten"  # its regions left the catalogue: for indexes alone, the verdict stands


@dataclass(frozen=True, kw_only=True)
class DecisionEvent:
    """Something that followers of decisions must learn of. Cursors grow in the order of the commits, without gaps.

    `verdict` is the one in force since; `case_id` is "" when no case belongs to it.
    """

    cursor: int
    kind: EventKind
    create_time: datetime
    decision: DecisionRecord
    verdict: str
    case_id: str = ""
