"""How often is a seller struck? A share of their listings, the latest counting most, with a bound to suspend on.

A strike is a listing that a person found infringing, that was removed as a counterfeit, or that was taken down as a
copy of a known counterfeit and that nobody cleared. What is half a year old counts half: S = sum of s 2^(-age/180 d)
over the listings and N likewise, and the rate is the posterior mean (a + S) / (a + b + N). Rank by the mean; suspend
nobody but on the lower bound (docs/sellers.md has the measurement). `index.store.tallies` keeps the sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from index.rates import BetaPrior, Estimate, fit_beta

HALF_LIFE_DAYS = 180.0

# Forward decay (Cormode et al., "Forward decay: a practical time decay model for streaming systems", ICDE 2009): a
# listing weighs 2^(its age at the landmark's reckoning), once and for all, and a sum is scaled when it is read. So sums
# are added to and taken from exactly, and nothing has to be decayed in the store. A float holds 500 years of it.
_LANDMARK = datetime(2020, 1, 1, tzinfo=UTC)

# Before a fit: two listings in a hundred, as sure as if 50 had been seen. A choice, not a measurement: high enough that
# one strike among few listings ranks a seller up, weak enough that 50 listings of their own outweigh it.
DEFAULT_PRIOR = BetaPrior(1.0, 49.0)

# With fewer, the fit follows chance; the default stands.
LEAST_SELLERS, LEAST_STRUCK = 200, 20


@dataclass(frozen=True)
class DecayedTally:
    """Strikes S and listings N, each weighed by its age: 0 <= S <= N."""

    strikes: float = 0.0
    listings: float = 0.0


def weight_at(time: datetime) -> float:
    """Return what a listing decided at `time` weighs in a stored sum."""
    return float(2.0 ** ((time - _LANDMARK).total_seconds() / 86_400 / HALF_LIFE_DAYS))


def decayed(strikes: float, listings: float, now: datetime) -> DecayedTally:
    """Scale stored sums to what they are worth `now`; rounding must not leave a strike without its listing."""
    scale = weight_at(now)
    total = max(listings / scale, 0.0)
    return DecayedTally(strikes=min(max(strikes / scale, 0.0), total), listings=total)


def strike_rate(tally: DecayedTally, prior: BetaPrior, *, ring: BetaPrior | None = None) -> Estimate:
    """Estimate a seller's strikes per listing. `ring` is the prior of the seller's ring, where there is one.

    The mean starts from the ring's prior; the bound, on which sellers are suspended, from everybody's: nobody is
    suspended for the company that they keep.
    """
    own = prior.after(tally.strikes, tally.listings).estimate()
    if ring is None:
        return own
    return Estimate(mean=ring.after(tally.strikes, tally.listings).mean, low=own.low)


def ring_prior(others: DecayedTally, prior: BetaPrior) -> BetaPrior:
    """Return the prior that a member inherits: the rate of the ring's other members, as sure as the usual prior is."""
    return prior.around(prior.after(others.strikes, others.listings).mean)


def fit_prior(strikes: NDArray[np.float64], listings: NDArray[np.float64]) -> BetaPrior | None:
    """Fit the prior to the decayed tallies of all sellers, float64 [n] each; None when there are too few."""
    if len(strikes) < LEAST_SELLERS or np.count_nonzero(strikes) < LEAST_STRUCK:
        return None
    return fit_beta(strikes, listings)
