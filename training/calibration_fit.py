"""Which curve fits the trials? Maximum likelihood without negative weights, and thresholds by false-positive rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vision.calibration import FALSE_POSITIVE_RATES, Curve, Signs

# The prior that keeps a weight finite where it parts right from wrong completely, which printed marks nearly do and the
# world does not: worth about one trial at one standard deviation.
_RIDGE = 1.0


@dataclass(frozen=True)
class Trial:
    """A brand proposed for a photo, and whether the photo shows it."""

    signs: Signs
    right: bool


def fit(searches: Sequence[Sequence[Trial]], *, known: Sequence[bool]) -> Curve:
    """Fit a curve on searches, each the trials of one photo; `known` says which photos show a registered brand.

    Raises:
        ValueError: some outcome never occurs, or the score says nothing.

    """
    trials = [trial for search in searches for trial in search]
    signs = np.array([(one.signs.score, one.signs.strength, one.signs.read) for one in trials], np.float64)
    right = np.array([trial.right for trial in trials])
    if not right.any() or right.all() or all(known):
        raise ValueError("right and wrong answers and photos without a registered brand must all occur")
    bias, weights = _logistic(signs, right)
    if weights[0] <= 0:
        raise ValueError("right matches are no more similar than wrong ones: this model cannot tell the marks apart")
    score, strength, read = (float(weight) for weight in weights)
    undecided = dict.fromkeys(FALSE_POSITIVE_RATES, 0.5)
    curve = Curve(bias=bias, score=score, strength=strength, read=read, thresholds=undecided)
    strangers = [
        max((curve.probability(trial.signs) for trial in search), default=0.0)
        for search, shows in zip(searches, known, strict=True)
        if not shows
    ]
    return replace(curve, thresholds={rate: _threshold(strangers, rate) for rate in FALSE_POSITIVE_RATES})


def _logistic(signs: NDArray[np.float64], right: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """Fit bias and weights of at least 0 for signs float64 [n, s] by maximum likelihood."""
    from scipy.optimize import minimize

    mean, spread = signs.mean(axis=0), signs.std(axis=0)
    spread[spread < 1e-9] = 1.0  # a sign that never varies gets no weight from the prior alone
    scaled, signed = (signs - mean) / spread, np.where(right, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        agreement = signed * (parameters[0] + scaled @ parameters[1:])
        pull = -signed * _sigmoid(-agreement)
        gradient = np.array([pull.sum(), *(pull @ scaled)])
        gradient[1:] += _RIDGE * parameters[1:]
        return float(np.logaddexp(0, -agreement).sum() + _RIDGE / 2 * (parameters[1:] ** 2).sum()), gradient

    bounds = [(None, None), *[(0.0, None)] * signs.shape[1]]
    found = minimize(loss, np.zeros(1 + signs.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = found[1:] / spread
    return float(found[0] - weights @ mean), weights


def _threshold(strangers: Sequence[float], rate: float) -> float:
    """Give the least probability that lets at most the share `rate` of the strangers' through."""
    ranked = sorted(strangers, reverse=True)
    return math.nextafter(ranked[int(rate * len(ranked))], math.inf)


def _sigmoid(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -500, 500)))
