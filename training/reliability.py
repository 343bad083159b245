"""Do probabilities come true? Metrics of probabilities as pure numpy, small enough to be checked by hand.

For `training.fit_fusion` and `eval decisions`. `probabilities` are float [n], 0..1; `positive` is bool [n].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# The logarithm of less is not asked for: a certain answer that is wrong costs 27.6 nats, not infinitely many.
_LEAST = 1e-12
BINS = 10


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Listings of about the same probability: how many, what was said on average, and what share came true."""

    n: int
    said: float
    true: float


def log_loss(probabilities: ArrayLike, positive: ArrayLike) -> float:
    """Return the mean negative log-likelihood in nats; 0 is perfect, ln 2 a coin."""
    said, truth = _aligned(probabilities, positive)
    given = np.clip(np.where(truth, said, 1.0 - said), _LEAST, 1.0)
    return float(-np.log(given).mean())


def brier(probabilities: ArrayLike, positive: ArrayLike) -> float:
    """Return the mean squared difference of probability and truth; 0 is perfect."""
    said, truth = _aligned(probabilities, positive)
    return float(((said - truth) ** 2).mean())


def reliability(probabilities: ArrayLike, positive: ArrayLike, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Sort by probability and cut into `bins` parts of equal size (fewer when there are fewer listings)."""
    said, truth = _aligned(probabilities, positive)
    order = np.argsort(said, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return tuple(Bin(n=len(part), said=float(said[part].mean()), true=float(truth[part].mean())) for part in parts)


def expected_calibration_error(probabilities: ArrayLike, positive: ArrayLike, *, bins: int = BINS) -> float:
    """Return the mean distance of what was said and what came true, over bins of equal size (Nixon et al., 2019)."""
    found = reliability(probabilities, positive, bins=bins)
    return math.fsum(one.n * abs(one.said - one.true) for one in found) / sum(one.n for one in found)


def recall_at_precision(scores: ArrayLike, positive: ArrayLike, *, precision: float) -> float:
    """Return the greatest recall of any threshold at or above which at least `precision` are positive; 0 if none.

    Listings of the same score pass a threshold together. nan without positives.
    """
    values, truth = _aligned(scores, positive)
    if not truth.any():
        return math.nan
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.diff(values[order], append=-math.inf))
    hits = np.cumsum(truth[order])[last]
    good = hits >= precision * (last + 1) - 1e-9
    return float(hits[good].max() / truth.sum()) if good.any() else 0.0


def _aligned(values: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, BoolArray]:
    said, truth = np.asarray(values, dtype=np.float64), np.asarray(positive, dtype=bool)
    if said.shape != truth.shape or said.ndim != 1 or not len(said):
        raise ValueError(f"Values {said.shape} and labels {truth.shape} must be lists of the same length, not empty.")
    if np.isnan(said).any():
        raise ValueError("A value is nan; give a number.")
    return said, truth
