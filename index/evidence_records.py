"""What was taken out of the service, by whom, for whom and why? Frozen records of evidence packages.

The rows of packages are the recipients' log: they stay when a package itself is collected after its retention date.
All times are timezone-aware.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from index.decision_records import DecisionRecord
from index.legal_steps import LegalStep
from index.reports import Report
from index.rulings import Appeal, Resolution


class Audience(enum.StrEnum):
    """For whom a package is made, and so what it leaves out."""

    BRAND_OWNER = "BRAND_OWNER"
    PLATFORM_COUNSEL = "PLATFORM_COUNSEL"
    AUTHORITY = "AUTHORITY"


@dataclass(frozen=True, kw_only=True)
class EvidencePackage:
    """A package as it was made: `digest` is its sha256, `previous_digest` that of the one before it, or "".

    The one before is the last of the same listing for the same audience, so that no audience learns of the others'.
    `file_sha256` names the file in the blob store, "" once it was let go. `exported_by` is a pseudonym.
    """

    package_id: str
    case_id: str
    listing_id: str
    audience: Audience
    recipient: str
    disclosure_basis: str
    exported_by: str
    create_time: datetime
    retain_until: datetime
    digest: str
    size_bytes: int
    previous_digest: str
    file_sha256: str


@dataclass(frozen=True, kw_only=True)
class ListingHistory:
    """Everything that was decided and said about a listing, each kind with the oldest first."""

    decisions: tuple[DecisionRecord, ...]
    resolutions: tuple[Resolution, ...]
    reports: tuple[Report, ...]
    appeals: tuple[Appeal, ...]
    steps: tuple[LegalStep, ...]


@dataclass(frozen=True, kw_only=True)
class Takedown:
    """A restriction that came into force: by `resolution`, or without a person when that is None."""

    time: datetime
    decision: DecisionRecord
    resolution: Resolution | None


@dataclass(frozen=True, kw_only=True)
class Restriction:
    """A listing that is down without a break `since` then; `steps` were taken about the decisions that it rests on."""

    since: datetime
    steps: tuple[LegalStep, ...] = ()


@dataclass(frozen=True)
class TakedownPlace:
    """Where a page of takedowns ends: when, whether people decided it, and the row's number."""

    time: datetime
    by_person: bool
    number: int


@dataclass(frozen=True, kw_only=True)
class TakedownPage:
    """Some takedowns in the order of their times. `next_after` is where the next page goes on, None after the last."""

    takedowns: tuple[Takedown, ...]
    next_after: TakedownPlace | None
