"""What does the store know? Frozen records of brands and references; `index.market_records` and others have the rest.

They are the only thing that goes into `index.store` and comes out of it: no table row and no ORM object leaves it.
`index.catalogue` is built from references and removed images. All times are timezone-aware; stored in UTC.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

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
    """Whether a reference is searched: only `ACTIVE` ones are. `index.reference_states` says what may follow what."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRED = "retired"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


class ReferenceOrigin(enum.StrEnum):
    """How a reference came in."""

    UNKNOWN = "unknown"
    BRAND_OWNER = "brand_owner"
    NOTICE = "notice"
    REMOVED_LISTING = "removed_listing"
    TEST_PURCHASE = "test_purchase"
    SEED = "seed"


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
class ReferenceScope:
    """How broad a reference is: wrong matches expected in a million listings, from so many background images."""

    false_matches_per_million: float
    background_images: int
    collisions: int


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a reference comes from.

    `source_id` is the notice, listing, purchase or catalogue that `origin` speaks of; `uploaded_by` is the name in the
    uploader's credential, `file_name` the file as the uploader had it; `note` is printed with it, for people.
    """

    origin: ReferenceOrigin = ReferenceOrigin.UNKNOWN
    source_id: str = ""
    uploaded_by: str = ""
    file_name: str = ""
    licence: str = ""
    note: str = ""


_MARKS = (ReferenceKind.LOGO, ReferenceKind.WORDMARK, ReferenceKind.PATTERN)


def shows_mark(kind: ReferenceKind, box: Box | None) -> bool:
    """Tell whether a reference is a mark, as a region of a listing is, or a whole photo of a product."""
    return box is not None or kind in _MARKS


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One image, or the part of it within `box`, that shows a brand (or, as `COUNTERFEIT`, a known fake of it).

    `image_sha256` is the hex digest of the encoded file; `pdq` and `pdq_mirrored` are the 32-byte PDQ hashes of the
    picture and of its left-right mirror image, None when the picture says too little for one. `width` and `height` are
    the upright image's pixels, 0 where nobody measured them. `bank_id` names a set of the brand's references, such as
    its known counterfeits of one seizure; "" is the brand's own. `scope` is None until it was measured. `revision`
    counts the changes. Without times the store gives the present one.
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
    state_reason: str = ""
    bank_id: str = ""
    width: int = 0
    height: int = 0
    image_format: str = ""
    scope: ReferenceScope | None = None
    revision: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None

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


# --- changes and counts ----------------------------------------------------------------------------------------------


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
