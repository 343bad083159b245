"""What does the store know? Frozen records of brands, references, prices, sellers, decisions and removed images.

They are the only thing that goes into `index.store` and comes out of it: no table row and no ORM object leaves it.
`serving.pipeline` fills in decisions, `index.catalogue` is built from references and removed images, `index.pricing`
from price observations. All times are timezone-aware; the store keeps them in UTC.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from index.money import Money
from index.strikes import DecayedTally
from index.territories import is_territory
from index.verification import VerificationState, state_at
from vision.keypoints import LocalFeatures
from vision.regions import Box

# --- brands and their references -------------------------------------------------------------------------------------


class ReferenceKind(enum.StrEnum):
    """What a reference image shows. The values are those of the reference manifest."""

    LOGO = "logo"
    WORDMARK = "wordmark"
    PATTERN = "pattern"
    PRODUCT = "product"
    PACKAGING = "packaging"
    EXAMPLE = "example"
    COUNTERFEIT = "counterfeit"


class ReferenceState(enum.StrEnum):
    """Whether a reference is searched: only `ACTIVE` ones are."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRED = "retired"
    QUARANTINED = "quarantined"


class DuplicateSource(enum.StrEnum):
    """Of what a photo is an exact or near copy."""

    KNOWN_COUNTERFEIT = "KNOWN_COUNTERFEIT"
    OFFICIAL_REFERENCE = "OFFICIAL_REFERENCE"
    REMOVED_LISTING = "REMOVED_LISTING"


class MarkKind(enum.StrEnum):
    """The form in which a trademark appears."""

    LOGO = "logo"
    WORDMARK = "wordmark"
    PATTERN = "pattern"
    TRADE_DRESS = "trade_dress"


@dataclass(frozen=True, kw_only=True)
class Brand:
    """A brand. `aliases` are other spellings by which sellers may name it; the name itself need not be among them."""

    brand_id: str
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A trademark of a brand, as it appears."""

    mark_id: str
    brand_id: str
    kind: MarkKind
    name: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a reference comes from: file or catalogue, licence, who submitted it, and the notice to print with it."""

    source: str = ""
    licence: str = ""
    submitter: str = ""
    notice: str = ""


_MARKS = (ReferenceKind.LOGO, ReferenceKind.WORDMARK, ReferenceKind.PATTERN)


def shows_mark(kind: ReferenceKind, box: Box | None) -> bool:
    """Tell whether a reference is a mark, as a region of a listing is, or a whole photo of a product."""
    return box is not None or kind in _MARKS


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One image, or the part of it within `box`, that shows a brand (or, as `COUNTERFEIT`, a known fake of it).

    `image_sha256` is the hex digest of the encoded file; `pdq` and `pdq_mirrored` are the 32-byte PDQ hashes of the
    picture and of its left-right mirror image, None when the picture says too little for one.
    """

    reference_id: str
    brand_id: str
    kind: ReferenceKind
    image_sha256: str
    mark_id: str | None = None
    box: Box | None = None
    pdq: bytes | None = None
    pdq_mirrored: bytes | None = None
    provenance: Provenance = field(default_factory=Provenance)
    state: ReferenceState = ReferenceState.ACTIVE

    @property
    def shows_mark(self) -> bool:
        """Whether it is compared with what may be marks in a photo, or with the photo itself."""
        return shows_mark(self.kind, self.box)


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceEmbedding:
    """One view of a reference through one model: `vector` is float32 [dim], of unit length.

    `variant` numbers the views (the whole, crops, backgrounds) of a reference under the model `fingerprint`, from 0.
    """

    reference_id: str
    variant: int
    fingerprint: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceFeatures:
    """The keypoints of a reference: what a match is verified by, whatever model proposed it."""

    reference_id: str
    features: LocalFeatures


# --- prices and sellers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PriceObservation:
    """What one piece of a brand's goods was offered at. `brand`, `category`, `condition` are words, "" when unknown.

    `observation_id` tells observations apart: one that is stored already is skipped; "" is always a new one.
    """

    brand: str
    category: str
    condition: str
    unit_price: Money
    observation_id: str = ""
    observe_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Seller:
    """A seller as the marketplace knows them; `verified` once their identity was checked.

    `verification` and `certify_time` come from the seller's identity, where the store has one (`put_seller` leaves them
    alone), and then say more than `verified`. `sales` counts all sales so far; None when nobody told.
    """

    seller_id: str
    create_time: datetime
    verified: bool = False
    verification: VerificationState | None = None
    certify_time: datetime | None = None
    sales: int | None = None

    def state_at(self, now: datetime) -> VerificationState:
        """Where the verification of the seller's identity stands."""
        if self.verification is not None:
            return state_at(self.verification, self.certify_time, now)
        return VerificationState.VERIFIED if self.verified else VerificationState.UNVERIFIED


@dataclass(frozen=True, kw_only=True)
class AuthorisedSeller:
    """A seller whom a brand authorises in `territory` (ISO 3166-1 alpha-2), or everywhere when that is empty.

    The authorisation holds from `valid_from` on and ends before `valid_until`; None: from ever, for ever.
    """

    seller_id: str
    territory: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a territory that no listing's market could be equal to."""
        if self.territory and not is_territory(self.territory):
            raise ValueError(f"{self.territory!r} is no ISO 3166-1 alpha-2 code; write one in capitals, such as DE")


@dataclass(frozen=True, kw_only=True)
class Authorisation:
    """What a brand's list of authorised sellers says of a seller; `territory` is the entry that says so, "" for all."""

    authorised: bool
    territory: str = ""


@dataclass(frozen=True, kw_only=True)
class SellerTally:
    """A seller's record: listings decided on, and those of them that count as strikes, each listing once.

    `decayed` weighs both by their age; `first_time` is the first decision's, None without one.
    """

    decisions: int = 0
    strikes: int = 0
    decayed: DecayedTally = field(default_factory=DecayedTally)
    first_time: datetime | None = None


# --- decisions, removals ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DecisionRecord:
    """A decision on record, immutable. `payload` is its serialised form, opaque to the store.

    `request_sha256` digests the request that led to it: an `idempotency_key` used again must come with the same one.
    `brand` names the brand at stake, "" when none is; `market` is the listing's, "" when it named none.
    `presumed_strike` marks a takedown that counts against the seller unless a person clears it: a copy of a known
    counterfeit. `title_signature` is `index.titles.signature`, None for a title that says too little.
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
    model_fingerprint: str = ""
    index_version: str = ""
    policy_version: str = ""
    market: str = ""
    presumed_strike: bool = False
    title_signature: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class RecordOutcome:
    """What is on record now. `created` is False when an earlier decision under the same idempotency key stands."""

    record: DecisionRecord
    created: bool


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


class ChangeKind(enum.StrEnum):
    """What changed in the part of the store that an index is built from."""

    BRAND = "brand"
    REFERENCE = "reference"
    REMOVED_LISTING = "removed_listing"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One line of the change log; `subject_id` is the brand's, reference's or listing's id."""

    version: int
    kind: ChangeKind
    subject_id: str


@dataclass(frozen=True, kw_only=True)
class StoreCounts:
    """How much the store holds."""

    brands: int
    references: int
    active_references: int
    embeddings: int
    price_observations: int
    sellers: int
    decisions: int
    open_cases: int
    removed_images: int
