"""Does a person look at this decision although nothing asks for it? The random audit, which sellers cannot foresee.

A keyed hash of the decision's id draws a number: without the key, 32 random bytes that never leave the store, nobody
can tell an id that is audited from one that is not; with it, everybody gets the same answer, today and in a year. The
share of ALLOWs that is audited shows what is missed. Takedowns on a certificate are audited at a higher share until
enough of them were: the bet against a wrong certificate (`index.wager`) is won by audits alone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

# At 2% of wrong takedowns the kill switch needs 260 audits, at 1% 1,750 (medians, docs/guarantee.md).
ENOUGH_AUDITS = 1000
SECRET = "audit"  # noqa: S105 - the name under which the store keeps it
_RANGE = 2.0**64


@dataclass(frozen=True, kw_only=True)
class Auditor:
    """Draws audits. `audited` says how many takedowns on a certificate were audited already.

    `share` is the part of all decisions, 0..1; `takedown_share` that of takedowns on a certificate with fewer than
    ENOUGH_AUDITS.
    """

    secret: bytes
    share: float
    takedown_share: float
    audited: Callable[[str], int]

    def draw(self, decision_id: str) -> float:
        """Return the decision's number, even in 0..1, which never changes."""
        digest = hmac.digest(self.secret, decision_id.encode(), hashlib.sha256)
        return int.from_bytes(digest[:8], "big") / _RANGE

    def share_of(self, certificate_id: str) -> float:
        """Return the chance that a decision is audited, 0..1; `certificate_id` is what its takedown rests on, or ""."""
        if certificate_id and self.audited(certificate_id) < ENOUGH_AUDITS:
            return max(self.share, self.takedown_share)
        return self.share

    def is_audited(self, decision_id: str, *, certificate_id: str = "") -> bool:
        """Whether a person looks at this decision; `certificate_id` as in `share_of`."""
        return self.draw(decision_id) < self.share_of(certificate_id)
