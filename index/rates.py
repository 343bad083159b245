"""How often does something happen to one of many, when most were seen only a few times? Two empirical-Bayes estimates.

A seller with one strike in one listing is not struck every time. So each rate starts from a prior, what is usual among
all, and moves from there as far as its own record carries it: Beta-binomial for shares (strikes per listing),
Gamma-Poisson for counts against an exposure (reports per sale). The priors are fitted by maximum marginal likelihood.
`index.strikes` and `index.reporters` use them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaincinv, betaln, gammaincinv, gammaln, psi

LOW = 0.05
"""The posterior probability that the true rate lies below an estimate's `low`."""

# Both parameters stay within e^-7 .. e^12: beyond, all alike are at 0 or 1, or all rates are the same anyway.
_BOUNDS = ((-7.0, 12.0), (-7.0, 12.0))


@dataclass(frozen=True)
class Estimate:
    """A rate: the posterior's mean, and the bound that the rate exceeds with a probability of 95%."""

    mean: float
    low: float


@dataclass(frozen=True)
class BetaPrior:
    """What is known of a share, 0..1, before anything is seen: as much as `alpha` hits and `beta` misses say."""

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        """Raise ValueError unless both are above 0."""
        if not (self.alpha > 0 and self.beta > 0):
            raise ValueError(f"a Beta prior needs alpha and beta above 0, not {self.alpha} and {self.beta}")

    @property
    def mean(self) -> float:
        """The share to expect."""
        return self.alpha / (self.alpha + self.beta)

    def after(self, hits: float, trials: float) -> BetaPrior:
        """Return what is known after `hits` of `trials`, which may be weighted counts: 0 <= hits <= trials."""
        return BetaPrior(self.alpha + hits, self.beta + max(trials - hits, 0.0))

    def around(self, mean: float) -> BetaPrior:
        """Return a prior that says as much as this one, about a share of `mean`."""
        strength = self.alpha + self.beta
        return BetaPrior(mean * strength, (1 - mean) * strength)

    def quantile(self, probability: float) -> float:
        """Return the share below which the true one lies with this probability."""
        return float(betaincinv(self.alpha, self.beta, probability))

    def estimate(self) -> Estimate:
        """Return mean and lower bound."""
        return Estimate(self.mean, self.quantile(LOW))


@dataclass(frozen=True)
class GammaPrior:
    """What is known of a rate per unit of exposure: as much as `alpha` events in `beta` units say."""

    alpha: float
    beta: float

    def __post_init__(self) -> None:
        """Raise ValueError unless both are above 0."""
        if not (self.alpha > 0 and self.beta > 0):
            raise ValueError(f"a Gamma prior needs alpha and beta above 0, not {self.alpha} and {self.beta}")

    @property
    def mean(self) -> float:
        """The rate to expect."""
        return self.alpha / self.beta

    def after(self, events: float, exposure: float) -> GammaPrior:
        """Return what is known after `events` in `exposure` units."""
        return GammaPrior(self.alpha + events, self.beta + exposure)

    def estimate(self) -> Estimate:
        """Return mean and lower bound."""
        return Estimate(self.mean, float(gammaincinv(self.alpha, LOW)) / self.beta)


def fit_beta(hits: NDArray[np.float64], trials: NDArray[np.float64]) -> BetaPrior:
    """Fit the prior that makes `hits` of `trials`, both float64 [n], the likeliest; weighted counts are allowed."""

    def loss(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        alpha, beta = np.exp(logs)
        likelihood = betaln(alpha + hits, beta + trials - hits) - betaln(alpha, beta)
        shared = psi(alpha + beta) - psi(alpha + beta + trials)
        slopes = (psi(alpha + hits) - psi(alpha) + shared, psi(beta + trials - hits) - psi(beta) + shared)
        return -float(np.mean(likelihood)), -np.array([alpha, beta]) * [float(np.mean(slope)) for slope in slopes]

    share = _within(float(hits.sum()) / float(trials.sum()))
    alpha, beta = _minimised(loss, start=(share * 10, (1 - share) * 10))
    return BetaPrior(alpha, beta)


def fit_gamma(events: NDArray[np.float64], exposure: NDArray[np.float64]) -> GammaPrior:
    """Fit the prior that makes `events` in `exposure` units, both float64 [n], the likeliest."""

    def loss(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        alpha, beta = np.exp(logs)
        total = beta + exposure
        likelihood = gammaln(alpha + events) - gammaln(alpha) + alpha * np.log(beta / total) - events * np.log(total)
        slopes = (
            psi(alpha + events) - psi(alpha) + np.log(beta / total),
            alpha / beta - (alpha + events) / total,
        )
        return -float(np.mean(likelihood)), -np.array([alpha, beta]) * [float(np.mean(slope)) for slope in slopes]

    rate = max(float(events.sum()) / float(exposure.sum()), 1e-6)
    alpha, beta = _minimised(loss, start=(1.0, 1 / rate))
    return GammaPrior(alpha, beta)


def _within(share: float) -> float:
    return min(max(share, 1e-3), 1 - 1e-3)


def _minimised(loss: object, *, start: tuple[float, float]) -> tuple[float, float]:
    """Minimise over the logarithms, so that both stay above 0."""
    first = np.clip(np.log(start), _BOUNDS[0][0], _BOUNDS[0][1])
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
    alpha, beta = np.exp(found.x)
    return float(alpha), float(beta)
