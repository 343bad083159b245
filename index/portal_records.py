"""What does a brand's owner see of what became of things? Frozen records of hits, notices and references in use.

`index.store.brand_hits` and `index.store.notices` read them. All times are timezone-aware.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from index.rates import BetaPrior
from index.reports import ReportState
from vision.regions import Box

# Jeffreys' prior: its interval covers a share as often as it says, also of few and near 1 (Brown, Cai, DasGupta,
# Interval Estimation for a Binomial Proportion, 2001).
_JEFFREYS = BetaPrior(0.5, 0.5)
_TAIL = 0.025

# An owner whose notices are mostly wrong would have wrong listings taken down by its references as well. So few decided
# notices say nothing yet: of 20, one more or less is 5 points.
LEAST_ACCEPTED, LEAST_DECIDED = 0.9, 20


@dataclass(frozen=True, kw_only=True)
class BrandHit:
    """A listing in whose photos a brand was seen, by its latest decision; `verdict` is the one in force."""

    listing_id: str
    decision_id: str
    verdict: str
    image_index: int
    box: Box
    reference_id: str
    probability: float
    screen_time: datetime


@dataclass(frozen=True, kw_only=True)
class HitPlace:
    """After which hit a page begins."""

    screen_time: datetime
    listing_id: str


@dataclass(frozen=True, kw_only=True)
class ReferenceUse:
    """How many hits of a brand are a reference's, how many of them a person decided on, and let stand."""

    reference_id: str
    hits: int
    decided: int
    allowed: int


@dataclass(frozen=True, kw_only=True)
class NoticeFate:
    """What became of a report that a brand's owner made; `decide_time` is None until a person decided."""

    report_id: str
    listing_id: str
    reason_code: str
    formal: bool
    right_id: str
    state: ReportState
    create_time: datetime
    decide_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class NoticeTally:
    """How the notices of a brand's owner fared, of those decided last; what was decided together counts once."""

    waiting: int
    upheld: int
    declined: int

    @property
    def decided(self) -> int:
        """How many were decided."""
        return self.upheld + self.declined

    @property
    def acceptance(self) -> float | None:
        """The share that was upheld, 0..1; None before the first decision."""
        return self.upheld / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of that share (Jeffreys); all of 0..1 when nothing was decided."""
        known = _JEFFREYS.after(self.upheld, self.decided)
        low = known.quantile(_TAIL) if self.upheld else 0.0
        return low, known.quantile(1 - _TAIL) if self.declined else 1.0

    @property
    def narrows(self) -> bool:
        """Whether the owner's new references wait for a person: enough were decided, and too few upheld."""
        return self.decided >= LEAST_DECIDED and self.upheld < LEAST_ACCEPTED * self.decided
