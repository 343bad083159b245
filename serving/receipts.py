"""Who may read what became of a report? Whoever holds its receipt, or the caller who filed it.

The secret of a receipt follows from the report's id and a key of the installation's, so that nothing of it is stored
and the same request again brings the same receipt.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from index.reports import Report
from index.store.requests import RequestStore
from serving.access.caller import Caller

_KEY = "receipts"


@dataclass(frozen=True)
class Receipts:
    """Makes and checks secrets of receipts; the key is in the store."""

    store: RequestStore

    def token(self, report_id: str) -> str:
        """Return the secret that goes with a report: 64 hexadecimal digits."""
        return hmac.new(self.store.secret(_KEY), report_id.encode(), hashlib.sha256).hexdigest()

    def opens(self, report: Report, token: str, caller: Caller) -> bool:
        """Tell whether a report may be read with this secret, or by this caller."""
        own = bool(caller.name) and caller.name == report.filed_by
        return hmac.compare_digest(self.token(report.report_id).encode(), token.encode()) or own
