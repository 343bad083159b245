"""Who wants to keep a brand here, and who was given one? Frozen records of applications and grants."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class ApplicationState(enum.StrEnum):
    """How far an application has come."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"


@dataclass(frozen=True, kw_only=True)
class Application:
    """A wish to keep a brand. `payload` is the brand as it is applied for, serialised and opaque to the store.

    `applicant` and `decided_by` are names in callers' credentials; `brand_id` is "" unless it was approved.
    """

    application_id: str
    applicant: str
    payload: bytes
    create_time: datetime
    note: str = ""
    state: ApplicationState = ApplicationState.PENDING
    reason: str = ""
    brand_id: str = ""
    decided_by: str = ""
    decide_time: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ApplicationRuling:
    """What somebody decides on an application: approved for a brand, or declined with `brand_id` empty."""

    state: ApplicationState
    reason: str
    brand_id: str
    actor: str
    time: datetime
