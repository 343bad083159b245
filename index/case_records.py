"""What waits for people? Frozen records of cases, their leases and the queue.

`serving.case_opening` makes a case from a decision, `index.store.cases` keeps the queue and the leases. What people
decide in a case stands in `index.rulings`, reports in `index.reports`. All times are timezone-aware.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime


class CaseState(enum.StrEnum):
    """Where a case stands. CLAIMED is never stored: it is an open case whose lease runs."""

    OPEN = "open"
    CLAIMED = "claimed"
    SECOND_REVIEW = "second_review"
    RESOLVED = "resolved"
    APPEALED = "appealed"
    SUPERSEDED = "superseded"


# What a person still has to do something about.
UNRESOLVED = (CaseState.OPEN, CaseState.SECOND_REVIEW, CaseState.APPEALED)


class CaseOrigin(enum.StrEnum):
    """Why a case was opened."""

    SCREENING = "screening"
    SCAN = "scan"
    REPORT = "report"
    AUDIT = "audit"


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who holds a case until when, and since when if that was written down; the token proves it."""

    holder: str
    token: str
    expire_time: datetime
    claim_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Case:
    """A decision that a person works on.

    `verdict`, `probability`, `uncalibrated_probability` (0..1) and `certificate_id` are the decision's; `market` is the
    listing's. `expected_harm` orders the queue, largest first; a case that is `drawn` takes the place of another one,
    chosen by lot, instead. `audit_share` is the chance with which an audit was drawn, 0..1. `revision`
    grows with every change, so that two moderators cannot overwrite each other unseen.
    """

    case_id: str
    decision_id: str
    listing_id: str
    verdict: str
    create_time: datetime
    origin: CaseOrigin = CaseOrigin.SCREENING
    scan_id: str = ""
    seller_id: str = ""
    market: str = ""
    brand: str = ""
    brand_ids: tuple[str, ...] = ()
    reason_codes: tuple[str, ...] = ()
    probability: float = 0.0
    uncalibrated_probability: float = 0.0
    certificate_id: str = ""
    expected_harm: float = 0.0
    drawn: bool = False
    audit_share: float | None = None
    state: CaseState = CaseState.OPEN
    lease: Lease | None = None
    due_time: datetime | None = None
    update_time: datetime | None = None
    revision: int = 0

    def lease_at(self, now: datetime) -> Lease | None:
        """Return the lease if it still runs."""
        return self.lease if self.lease is not None and self.lease.expire_time > now else None

    def state_at(self, now: datetime) -> CaseState:
        """Return the state as people see it: an open case that somebody holds is CLAIMED."""
        return CaseState.CLAIMED if self.state is CaseState.OPEN and self.lease_at(now) else self.state


def lot_of(case_id: str) -> float:
    """Return a number in 0..1 that is always the same for one case and says nothing about it."""
    return int.from_bytes(hashlib.sha256(case_id.encode()).digest()[:6]) / 2**48


# --- the queue -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CaseFilter:
    """Which cases: all conditions hold; an empty one leaves out nothing, but empty `states` are OPEN.

    `except_ids` are left out whatever else they are; `holder` holds a lease on the case that runs.
    """

    states: tuple[CaseState, ...] = ()
    origins: tuple[CaseOrigin, ...] = ()
    verdicts: tuple[str, ...] = ()
    brand_ids: tuple[str, ...] = ()
    seller_id: str = ""
    listing_id: str = ""
    scan_id: str = ""
    reason_code: str = ""
    created_from: datetime | None = None
    created_before: datetime | None = None
    except_ids: tuple[str, ...] = ()
    holder: str = ""


class CaseOrder(enum.StrEnum):
    """In which order cases come."""

    EXPECTED_HARM = "expected_harm"
    OLDEST = "oldest"
    NEWEST = "newest"
    DUE = "due"


@dataclass(frozen=True)
class Place:
    """A place in the queue: the value that the order goes by, and the case that stands there."""

    key: float | datetime
    case_id: str


@dataclass(frozen=True, kw_only=True)
class CasePage:
    """Some cases of the queue. `next_after` is where the next page goes on, None after the last one."""

    cases: tuple[Case, ...]
    next_after: Place | None
    total: int
