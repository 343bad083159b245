"""What is usual among all sellers? The priors that were fitted last, on record with when and from how much.

`touchstone sellers fit` fits them, nightly; before its first run the defaults stand.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class PriorKind(enum.StrEnum):
    """Of which rate a prior is."""

    STRIKES = "strikes"  # strikes per listing, a BetaPrior
    REPORTS = "reports"  # upheld reports per sale, a GammaPrior


@dataclass(frozen=True, kw_only=True)
class PriorRecord:
    """A fitted prior: `events` in `exposure` (listings or sales, as they were weighed) of so many `sellers`."""

    kind: PriorKind
    alpha: float
    beta: float
    sellers: int
    events: float
    exposure: float
    fit_time: datetime
