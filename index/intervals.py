"""How sure is a share that was counted? Exact two-sided intervals, also where not all were drawn with the same chance.

Clopper and Pearson (1934): the shares that a binomial test at 5% would not refute, so that the interval holds the true
one in at least 95 of 100 cases, however few were seen. With unequal chances each one drawn stands for 1 / chance
others: the share is the weighted one (Hajek), and the interval is that of as many equal draws as the weights are worth,
(sum w)^2 / sum w^2 (Korn and Graubard, 1998, "Confidence intervals for proportions with small expected number of
positive counts estimated from survey data").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import betaincinv

CONFIDENCE = 0.95
_TAIL = (1.0 - CONFIDENCE) / 2.0


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Some that were drawn with the same `chance`, 0..1: how many, and of how many it holds."""

    count: int
    hits: int
    chance: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Proportion:
    """A share, 0..1, with its 95% interval: of `count` it holds of `hits`. `value` is nan where `count` is 0.

    `effective_count` is what they are worth together: `count` where all were drawn with the same chance.
    """

    value: float
    low: float
    high: float
    count: int
    hits: int
    effective_count: float


def proportion(hits: int, count: int) -> Proportion:
    """Estimate a share from `hits` of `count`, drawn alike."""
    return weighted([Drawn(count=count, hits=hits)])


def weighted(parts: Iterable[Drawn]) -> Proportion:
    """Estimate a share from all parts together, each weighed by 1 / chance."""
    found = [part for part in parts if part.count]
    count, hits = sum(part.count for part in found), sum(part.hits for part in found)
    if not count:
        return Proportion(value=math.nan, low=0.0, high=1.0, count=0, hits=0, effective_count=0.0)
    total = math.fsum(part.count / part.chance for part in found)
    worth = total**2 / math.fsum(part.count / part.chance**2 for part in found)
    value = math.fsum(part.hits / part.chance for part in found) / total
    low, high = _interval(value * worth, worth)
    return Proportion(value=value, low=low, high=high, count=count, hits=hits, effective_count=worth)


def _interval(hits: float, count: float) -> tuple[float, float]:
    """Return Clopper's and Pearson's interval; the counts need not be whole."""
    misses = count - hits
    # What rounding leaves of a weighted share of 0 or 1 must not count as a hit or a miss.
    none, all_of_them = hits < count * 1e-12, misses < count * 1e-12
    low = 0.0 if none else float(betaincinv(hits, misses + 1.0, _TAIL))
    high = 1.0 if all_of_them else float(betaincinv(hits + 1.0, misses, 1.0 - _TAIL))
    return low, high
