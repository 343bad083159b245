"""What did the store know when the scan began? Sellers and legal holds as of one moment.

A seller's strikes fade by the hour, so a row would depend on when it was made; asked as of the moment that the scan
began, the store says the same to a scan that was interrupted and to one that was not.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from index.holds import LegalHold
from index.reports import ReportOnRecord
from index.standing import SellerStanding
from serving.considering import Records
from serving.hold_evidence import HoldRecords


@dataclass(frozen=True)
class RecordsAsOf:
    """The store's records, asked as of `at`."""

    records: Records
    holds: HoldRecords
    at: datetime

    def reading(self) -> AbstractContextManager[None]:
        """Let the reads in a block be one transaction."""
        return self.records.reading()

    def seller_standing(
        self,
        seller_id: str,
        *,
        now: datetime,  # noqa: ARG002 - another moment is asked for
        brand_id: str = "",
        territory: str = "",
    ) -> SellerStanding:
        """Return how a seller stood then."""
        return self.records.seller_standing(seller_id, now=self.at, brand_id=brand_id, territory=territory)

    def reports_about(self, listing_id: str) -> Sequence[ReportOnRecord]:
        """Return the reports about a listing."""
        return self.records.reports_about(listing_id)

    def reports_about_seller(self, seller_id: str) -> int:
        """Count the upheld reports about a seller's listings."""
        return self.records.reports_about_seller(seller_id)

    def holds_on(
        self,
        *,
        listing_id: str,
        seller_id: str,
        brands: Collection[str],
        at: datetime,  # noqa: ARG002
    ) -> tuple[LegalHold, ...]:
        """Return the holds that covered a listing then."""
        return self.holds.holds_on(listing_id=listing_id, seller_id=seller_id, brands=brands, at=self.at)
