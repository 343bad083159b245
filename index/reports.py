"""Who reported a listing, and how often was that reporter right before? What the store tells of reports.

`CaseService.ReportListing` records them, a resolution settles them, and `serving` weighs them by the reporters' record.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ReporterRecord:
    """What became of a reporter's earlier reports; several about one listing count once."""

    upheld: int = 0
    declined: int = 0

    @property
    def reliability(self) -> float:
        """How likely the reporter is right, 0..1: the mean of a beta distribution that begins at one half."""
        return (self.upheld + 1) / (self.upheld + self.declined + 2)


@dataclass(frozen=True, kw_only=True)
class ReportOnRecord(ReporterRecord):
    """A report that is not settled yet, with the reporter's record."""

    report_id: str
    listing_id: str
    reporter_id: str
    reason_code: str
    create_time: datetime


class ReporterType(enum.StrEnum):
    """In what capacity somebody reports."""

    BUYER = "BUYER"
    RIGHTS_OWNER = "RIGHTS_OWNER"
    TRUSTED_FLAGGER = "TRUSTED_FLAGGER"
    AUTHORITY = "AUTHORITY"


class ReportState(enum.StrEnum):
    """Where a report leads."""

    RECEIVED = "RECEIVED"
    UPHELD = "UPHELD"
    DECLINED = "DECLINED"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """The formal part of a notice (Regulation (EU) 2022/2065, Article 16; E-commerce Law of the PRC, Article 42)."""

    urls: tuple[str, ...]
    notifier_name: str
    notifier_email: str
    good_faith_statement: bool
    jurisdiction: str
    right_id: str = ""
    document_sha256s: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report about a listing of `seller_id`. `case_id` is the case that it belongs to, or "".

    `brand_id` is the brand whose owner reports, `filed_by` the name in the credential that came with it; "" for none.
    """

    report_id: str
    listing_id: str
    reporter_id: str
    reporter_type: ReporterType
    reason_code: str
    create_time: datetime
    seller_id: str = ""
    text: str = ""
    notice: Notice | None = None
    image_sha256s: tuple[str, ...] = ()
    state: ReportState = ReportState.RECEIVED
    case_id: str = ""
    brand_id: str = ""
    filed_by: str = ""
