"""How far does a brand, a category or both move the price? Robust, shrunken group effects on log prices.

`index.price_fit` peels a log price apart level by level (category, brand, brand x category, ...): each call of
`shrunken_effects` takes what the levels above left over and returns one effect per group, pulled towards zero the more,
the fewer prices the group has. Rows are sorted and then reduced with `numpy.add.reduceat`: no loop over groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# 95% efficiency under normality (Huber 1981), and the inflation of the variance that it costs, rounded up.
HUBER_TUNING = 1.345
HUBER_VARIANCE = 1.1
_HUBER_STEPS = 8
_BISECTIONS = 50
# The median of |X - Y| for independent standard normal X, Y: 0.6745 sqrt(2).
_MEDIAN_DIFFERENCE = 0.9539
# A million golden sections: the fraction left of a log price times this is as good as random.
_SHUFFLE = 618033.98875


@dataclass(frozen=True)
class Groups:
    """Rows sorted by group. `codes` int64 [n] in 0..groups-1; `order` int64 [n] sorts rows by (group, value)."""

    codes: NDArray[np.int64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, codes: NDArray[np.int64], values: NDArray[np.float64]) -> Groups:
        """Sort rows by group and value; every code 0..max must occur."""
        order = np.lexsort((values, codes))
        counts = np.bincount(codes)
        return cls(codes, order, np.cumsum(counts) - counts, counts)

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of `values` [n], given in row order, per group: float64 [groups]."""
        return np.asarray(np.add.reduceat(values[self.order], self.starts), dtype=np.float64)

    def median(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the median of the `values` [n] by which the groups were sorted: float64 [groups]."""
        ordered = values[self.order]
        middle = ordered[self.starts + (self.counts - 1) // 2] + ordered[self.starts + self.counts // 2]
        return np.asarray(0.5 * middle, dtype=np.float64)

    def scale(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the standard deviation within each group from Gini's mean difference; 0 for a single row.

        The mean absolute difference over all pairs needs no location, is unbiased from two rows on (times sqrt(pi)/2,
        for normal values), and bends less under outliers than squares do (Gerstenberger & Vogel 2015).
        """
        ordered = values[self.order]
        rank = np.arange(len(ordered)) - np.repeat(self.starts, self.counts)
        spread = np.add.reduceat((2 * rank + 1 - np.repeat(self.counts, self.counts)) * ordered, self.starts)
        pairs = np.maximum(self.counts * (self.counts - 1) / 2, 1)
        return np.asarray(0.5 * math.sqrt(math.pi) * np.maximum(spread, 0.0) / pairs, dtype=np.float64)


@dataclass(frozen=True)
class Effects:
    """Effects of one level: `values` float64 [groups] in log price, `variances` what is still unknown of each.

    `between` is the variance of the true effects: what a group that was never seen may differ by.
    """

    values: NDArray[np.float64]
    variances: NDArray[np.float64]
    counts: NDArray[np.int64]
    between: float


def pooled_scale(codes: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[float, int]:
    """Return the standard deviation within groups, pooled by degrees of freedom, and their number; nan without any."""
    if not len(codes):
        return math.nan, 0
    groups = Groups.of(np.unique(codes, return_inverse=True)[1], values)
    freedom = np.maximum(groups.counts - 1, 0)
    total = int(freedom.sum())
    return (float(np.sum(freedom * groups.scale(values)) / total) if total else math.nan), total


def core_scale(codes: NDArray[np.int64], values: NDArray[np.float64]) -> tuple[float, int]:
    """Return the standard deviation of the bulk within groups, and the number of differences that it rests on.

    It is the median absolute difference of successive rows of a group (Rice 1984), which fakes among the rows hardly
    move. The rows are first shuffled by a hash of their value: any order of the input gives the same figure.
    """
    hashes = np.round(values, 9) * _SHUFFLE % 1.0
    shuffled = np.lexsort((hashes, codes))
    together = np.diff(codes[shuffled]) == 0
    differences = np.abs(np.diff(values[shuffled]))[together]
    return (float(np.median(differences)) / _MEDIAN_DIFFERENCE, len(differences)) if len(differences) else (math.nan, 0)


def shrunken_effects(
    codes: NDArray[np.int64], residuals: NDArray[np.float64], *, scale: float, between: float | None = None
) -> Effects:
    """Return one Huber M-estimate per group, shrunk by n / (n + k) with k = 1.1 scale^2 / between.

    `codes` int64 [n] names each row's group 0..groups-1; `residuals` float64 [n] is log price less the levels above;
    `scale` is the standard deviation within groups; the variance of the true effects, `between`, is estimated if None.
    """
    groups = Groups.of(codes, residuals)
    located = _huber(groups, residuals, scale=scale)
    sampling = HUBER_VARIANCE * scale**2 / groups.counts
    between = _paule_mandel(located, sampling) if between is None else between
    keep = between / (between + sampling)
    return Effects(located * keep, between * (1.0 - keep), groups.counts, between)


def _huber(groups: Groups, values: NDArray[np.float64], *, scale: float) -> NDArray[np.float64]:
    location = groups.median(values)
    limit = HUBER_TUNING * scale
    for _ in range(_HUBER_STEPS):
        away = values - location[groups.codes]
        location = location + groups.sum(np.clip(away, -limit, limit)) / groups.counts
    return location


def _paule_mandel(effects: NDArray[np.float64], sampling: NDArray[np.float64]) -> float:
    """Return the variance between true effects around zero that makes their weighted squares add up to their number.

    Around zero, not around their mean: the levels above have taken the mean out. Paule & Mandel (1982).
    """
    squares = effects**2

    def excess(between: float) -> float:
        return float(np.sum(squares / (between + sampling))) - len(effects)

    low, high = 0.0, float(squares.max(initial=0.0))
    if excess(low) <= 0.0:
        return 0.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) > 0.0 else (low, middle)
    return 0.5 * (low + high)
