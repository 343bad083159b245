"""What do boosted trees say of one listing, and which feature said it? Evaluated without the library that grew them.

A tree of a few leaves is a few boxes in feature space; the leaves of all trees are one table, and one listing is
answered in 0.2 ms. Importing LightGBM takes 2.6 s, and its own contributions (TreeSHAP) are relative to the average
training listing: a listing without replica wording would be told how much its words speak for it. Here they are
relative to a listing of which nothing is known (all features 0), so that only what is there contributes, in monotone
trees never against its direction.

They are exact Shapley values with that one baseline (Sundararajan and Najmi, "The many Shapley values for model
explanation", 2020; for trees, Lundberg et al., "From local explanations to global understanding with explainable AI for
trees", 2020). A leaf that is reached when the features of P are the listing's and those of N the baseline's gives each
of P its value times (|P|-1)! |N|! / (|P|+|N|)!, and takes |P|! (|N|-1)! / (|P|+|N|)! of it from each of N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Trees:
    """The leaves of all trees: boxes `lower` < x <= `upper`, float64 [leaves, features], and `values` in log-odds."""

    lower: FloatArray
    upper: FloatArray
    values: FloatArray

    def __post_init__(self) -> None:
        if self.lower.shape != self.upper.shape or self.lower.ndim != 2 or self.values.shape != self.lower.shape[:1]:
            raise ValueError(f"bounds {self.lower.shape}, {self.upper.shape} and values {self.values.shape} differ")
        if not np.isfinite(self.values).all() or not (self.lower < self.upper).all():
            raise ValueError("every leaf needs a finite value and a lower bound under its upper one")

    @cached_property
    def baseline(self) -> float:
        """What they say of a listing of which nothing is known, in log-odds."""
        return float(self.values[self._missed == 0].sum())

    def contributions(self, numbers: Sequence[float]) -> FloatArray:
        """Return what each feature adds to `baseline`, float64 [features]; together they are the trees' answer."""
        x = np.asarray(numbers, np.float64)
        known = np.flatnonzero(x)
        found = np.zeros(len(x))
        # What is not known is the baseline's either way: only leaves that it reaches there can be reached at all.
        unknown = sum(1 << feature for feature in range(len(x)) if x[feature] == 0.0)
        possible = np.flatnonzero((self._missed & unknown) == 0)
        box, at = np.ix_(known, possible), x[known, None]
        holds, held_nothing = (self._lower[box] < at) & (at <= self._upper[box]), self._holds_nothing[box]
        reached = (holds | held_nothing).all(axis=0)
        mine = (holds & ~held_nothing)[:, reached].astype(np.float64)
        its = (held_nothing & ~holds)[:, reached].astype(np.float64)
        p, n = mine.sum(axis=0).astype(np.intp), its.sum(axis=0).astype(np.intp)
        values = self.values[possible[reached]]
        found[known] = mine @ (values * self._shares[p, n]) - its @ (values * self._shares[n, p])
        return found

    # The same by feature, [features, leaves]: numpy is quick along the long axis.

    @cached_property
    def _lower(self) -> FloatArray:
        return np.ascontiguousarray(self.lower.T)

    @cached_property
    def _upper(self) -> FloatArray:
        return np.ascontiguousarray(self.upper.T)

    @cached_property
    def _holds_nothing(self) -> NDArray[np.bool_]:
        """Whether a listing of which nothing is known lies within a leaf's bounds."""
        return (self._lower < 0.0) & (self._upper >= 0.0)

    @cached_property
    def _missed(self) -> NDArray[np.int64]:
        """By which features it lies outside: a bit each, [leaves]."""
        bits = np.int64(1) << np.arange(len(self._lower), dtype=np.int64)
        missed: NDArray[np.int64] = bits @ ~self._holds_nothing
        return missed

    @cached_property
    def _shares(self) -> FloatArray:
        """Give at [k, m] the share of each of k features, with m against them: (k-1)! m! / (k+m)!."""
        size = self.lower.shape[1] + 1
        shares = np.zeros((size, size))
        for k in range(1, size):
            for m in range(size - k):
                shares[k, m] = 1.0 / (k * math.comb(k + m, m))
        return shares
