"""What is counted for those who answer for the service? Frozen records of figures, as `index.store` gives them.

docs/insight.md defines each. All times are timezone-aware.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from index.case_records import CaseOrigin, CaseState
from index.intervals import Drawn, Proportion


@dataclass(frozen=True)
class Span:
    """From `start` on, and before `end`."""

    start: datetime
    end: datetime


class Happening(enum.StrEnum):
    """What volumes count."""

    DECIDED = "decided"
    OPENED = "opened"
    RESOLVED = "resolved"
    UNDONE = "undone"
    APPEALED = "appealed"
    GRANTED = "granted"
    DENIED = "denied"
    REPORTED = "reported"


class Split(enum.StrEnum):
    """By what volumes are split."""

    NOTHING = "nothing"
    VERDICT = "verdict"
    ORIGIN = "origin"
    BRAND = "brand"
    MARKET = "market"


@dataclass(frozen=True)
class Count:
    """How often something happened in the step that begins `step_s` seconds after 1970, to what `key` names."""

    happening: Happening
    key: str
    step_s: int
    count: int


@dataclass(frozen=True, kw_only=True)
class AuditCount:
    """Audits of one brand, verdict of the service, chance and outcome: `infringing` is None while nobody answered.

    `chance` is None where it was not written down.
    """

    brand: str
    verdict: str
    chance: float | None
    infringing: bool | None
    count: int

    def drawn(self, *, unrecorded: float) -> Drawn:
        """Return them as a part of a sample; `unrecorded` stands in for a chance that is not known."""
        return Drawn(
            count=self.count,
            hits=self.count if self.infringing else 0,
            chance=unrecorded if self.chance is None else self.chance,
        )


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Decisions with probabilities of `low` to `high`, `said` on average, of which `infringing` were found so."""

    low: float
    high: float
    said: float
    infringing: Proportion


@dataclass(frozen=True)
class Histograms:
    """Counts by brand, bin by bin, of the scores or prices before (`reference`) and within a window."""

    reference: Mapping[str, tuple[int, ...]]
    window: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class QueueCounts:
    """What waits for people; of ranges there is a count for each one between two edges.

    `ages_s` and `due_in_s` are in seconds; of those without a due time nothing is in `due_in_s`.
    """

    waiting: int
    states: Mapping[CaseState, int]
    origins: Mapping[CaseOrigin, int]
    ages_s: tuple[int, ...]
    due_in_s: tuple[int, ...]
    harms: tuple[int, ...]
    drawn: int
    median_age_s: float
    p90_age_s: float


@dataclass(frozen=True, kw_only=True)
class QueueFlow:
    """Cases opened and resolved in some days; `resolved_drawn` of the latter stood in a random place."""

    days: float
    opened: int
    resolved: int
    resolved_drawn: int


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """How one person answered: `days` by their first second since 1970, shares, and the median of the seconds held."""

    answers: int
    days: tuple[tuple[int, int], ...]
    confirmed: Proportion
    upheld: Proportion
    undone: Proportion
    median_handling_s: float
    timed: int


@dataclass(frozen=True)
class ReviewerVolume:
    """How many answers a person gave, by pseudonym."""

    reviewer: str
    answers: int


@dataclass(frozen=True, kw_only=True)
class SellerDecision:
    """A decision about a seller's listing, with the verdict that is in force."""

    decision_id: str
    listing_id: str
    verdict: str
    in_force: str
    brand: str
    probability: float | None
    create_time: datetime


@dataclass(frozen=True, kw_only=True)
class SellerHistory:
    """What was decided about a seller: counts by month, named by its beginning, and verdict; and the last decisions."""

    months: Mapping[datetime, Mapping[str, int]] = field(default_factory=dict)
    decisions: tuple[SellerDecision, ...] = ()
