"""Who reported a listing, and how often was that reporter right before? What the store tells of reports.

`CaseService.ReportListing` records them, a resolution settles them, and `serving` weighs them by the reporters' record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class ReportOnRecord:
    """A report that is not settled yet, with the reporter's record: earlier reports upheld and declined."""

    report_id: str
    listing_id: str
    reporter_id: str
    reason_code: str
    create_time: datetime
    upheld: int = 0
    declined: int = 0
