"""What do buyers report? Open reports about the listing, weighed by how often their reporters were right.

Called by `serving.pipeline`; never a verdict. `index.reporters` has the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from index.reporters import report_weights
from index.reports import ReportOnRecord
from serving.domain import Listing
from serving.findings import ReportEvidence


class ReportRecords(Protocol):
    """What the evidence of reports needs of the store."""

    def reports_about(self, listing_id: str) -> Sequence[ReportOnRecord]:
        """Return the reports about a listing that are not settled yet."""

    def reports_about_seller(self, seller_id: str) -> int:
        """Count the upheld reports about a seller's listings."""


def report_evidence(listing: Listing, records: ReportRecords | None) -> ReportEvidence | None:
    """Weigh the reports about a listing; None when there is none, or nowhere to ask."""
    reports = records.reports_about(listing.listing_id) if records is not None else ()
    if not reports:
        return None
    weights = report_weights(reports)
    return ReportEvidence(reports=len(reports), weight=sum(weights.values()), reporters=len(weights))
