"""What does the registry know of a brand, beyond its names? Frozen records of rights, marks and the brand as a whole.

`index.records.Brand` is what screening needs; a `BrandProfile` is what the brand's owner keeps. `index.rights` checks
rights, `index.store.brand_profiles` keeps them. All times are timezone-aware.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import date, datetime

from index.buyer_records import NO_ADVICE, BuyerAdvice
from index.market_records import AuthorisedSeller
from index.price_bands import PriceBand
from index.records import Brand


class RightType(enum.StrEnum):
    """What is protected."""

    WORD_MARK = "word_mark"
    FIGURATIVE_MARK = "figurative_mark"
    DESIGN = "design"
    COPYRIGHT = "copyright"


class RightStatus(enum.StrEnum):
    """Whether the register shows a right as in force; `ENDED` is given up, refused, revoked or declared invalid."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    REGISTERED = "registered"
    EXPIRED = "expired"
    ENDED = "ended"


class ExhaustionRegime(enum.StrEnum):
    """Where goods must first have been sold with the owner's consent for the right to be exhausted."""

    UNKNOWN = "unknown"
    NATIONAL = "national"
    REGIONAL = "regional"
    INTERNATIONAL = "international"


@dataclass(frozen=True, kw_only=True)
class Right:
    """A right as the register shows it; what is not known is empty, or None.

    `right_id` is unique within the brand. `office_code` is a WIPO ST.3 code, `application_number` a number in WIPO
    ST.13 form, `territories` ISO 3166-1 alpha-2 codes or ST.3 codes of regional offices (`index.rights`). The digests
    are SHA-256 in hexadecimal. Without a `representative` the owner acts itself.
    """

    right_id: str
    type: RightType
    mark_text: str = ""
    mark_image_sha256: str = ""
    office_code: str = ""
    application_number: str = ""
    registration_number: str = ""
    international_registration_number: str = ""
    nice_classes: tuple[int, ...] = ()
    status: RightStatus = RightStatus.UNKNOWN
    filing_date: date | None = None
    registration_date: date | None = None
    expiry_date: date | None = None
    territories: tuple[str, ...] = ()
    owner_name: str = ""
    representative: str = ""
    power_of_attorney_sha256: str = ""
    licensee_names: tuple[str, ...] = ()
    exhaustion_regime: ExhaustionRegime = ExhaustionRegime.UNKNOWN
    exhaustion_territories: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BrandMark:
    """A mark as its owner knows it: `mark_id` is unique within the brand, `right_ids` are rights of the same brand."""

    mark_id: str
    name: str = ""
    right_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BrandProfile:
    """A brand with all that its owner keeps of it.

    `revision` grows by one with every change. `sellers` (None: the brand keeps no list), `price_bands` and
    `buyer_advice` are there only where one brand was asked for. A brand that is older than the registry's record of
    times has None for them.
    """

    brand: Brand
    keywords: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()
    marks: tuple[BrandMark, ...] = ()
    revision: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    active_references: int = 0
    sellers: tuple[AuthorisedSeller, ...] | None = None
    price_bands: tuple[PriceBand, ...] = ()
    buyer_advice: BuyerAdvice = NO_ADVICE

    @property
    def etag(self) -> str:
        """What a client sends back to say which state it read: it differs for each brand and revision."""
        return hashlib.sha256(f"{self.brand.brand_id}/{self.revision}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class NamePlace:
    """Where a page of brands ends: at a name in its normal form, as names were at the change numbered `since`."""

    since: int
    key: str
    brand_id: str


@dataclass(frozen=True, kw_only=True)
class ProfilePage:
    """Brands in the order of their names, and where the next page begins; None after the last."""

    profiles: tuple[BrandProfile, ...]
    next_after: NamePlace | None


class RegistryAction(enum.StrEnum):
    """What somebody did to the registry. A new kind of change gets a new member."""

    BRAND_CREATED = "brand_created"
    BRAND_RENAMED = "brand_renamed"
    BRAND_UPDATED = "brand_updated"
    SELLERS_SET = "sellers_set"
    PRICE_BANDS_SET = "price_bands_set"
    BUYER_ADVICE_SET = "buyer_advice_set"
    REFERENCE_ADDED = "reference_added"
    REFERENCE_ACTIVATED = "reference_activated"
    REFERENCE_QUARANTINED = "reference_quarantined"
    REFERENCE_REJECTED = "reference_rejected"
    REFERENCE_RETIRED = "reference_retired"


@dataclass(frozen=True, kw_only=True)
class RegistryEvent:
    """One change of the registry: who did what to which brand, and when.

    `actor` is the name in the caller's credential, "" for a command of the operator's. `subject_id` is the reference's
    id, "" for the brand itself. `fields` says what was changed; `before` is the old name, in its normal form, of a
    brand that was renamed. `number` is the store's and grows in the order of the commits.
    """

    action: RegistryAction
    brand_id: str
    actor: str
    create_time: datetime
    subject_id: str = ""
    fields: tuple[str, ...] = ()
    before: str = ""
    number: int = 0


def mark_key(brand_id: str, mark_id: str) -> str:
    """Return the id under which a brand's mark is stored: owners choose ids without knowing those of others."""
    return f"{brand_id}/{mark_id}"


def told_mark_id(brand_id: str, key: str) -> str:
    """Return the id by which the brand's owner knows a stored mark."""
    return key.removeprefix(f"{brand_id}/")
