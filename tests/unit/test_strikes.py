"""Does the strike rate find bad sellers, spare good ones, and decay as it says? With a simulation of a marketplace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from index.rates import BetaPrior, fit_beta
from index.strikes import DEFAULT_PRIOR, DecayedTally, decayed, fit_prior, ring_prior, strike_rate, weight_at

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HALF_YEAR = timedelta(days=180)


def test_what_is_half_a_year_old_counts_half() -> None:
    """S = sum of s 2^(-age / 180 d), whatever the moment at which the sums were made."""
    times = [NOON, NOON - HALF_YEAR, NOON - 2 * HALF_YEAR]
    listings = sum(weight_at(time) for time in times)
    strikes = weight_at(times[1])

    now, later = decayed(strikes, listings, NOON), decayed(strikes, listings, NOON + HALF_YEAR)

    assert [now.strikes, now.listings] == pytest.approx([0.5, 1.75])
    assert [later.strikes, later.listings] == pytest.approx([0.25, 0.875])


def test_sum_that_rounding_left_behind_is_nothing() -> None:
    """What is taken out of a sum again may leave a rounding error, never a strike without a listing."""
    assert decayed(-1e-9, 0.0, NOON) == DecayedTally(0.0, 0.0)
    assert decayed(1e-9, -1e-9, NOON) == DecayedTally(0.0, 0.0)


def test_sums_of_a_century_fit_into_a_float() -> None:
    """Weights grow with time; a hundred years from now they are still exact enough."""
    future = NOON + timedelta(days=36_500)

    then = decayed(weight_at(future) * 3, weight_at(future) * 7, future)

    assert [then.strikes, then.listings] == pytest.approx([3.0, 7.0])


def test_one_strike_is_no_proof_and_many_are() -> None:
    """One strike in one listing leaves the bound low; the same share of many listings does not."""
    once = strike_rate(DecayedTally(1.0, 1.0), DEFAULT_PRIOR)
    often = strike_rate(DecayedTally(100.0, 100.0), DEFAULT_PRIOR)

    assert once.mean == pytest.approx(2 / 51)
    assert once.low < 0.01
    assert often.low > 0.5


def test_ring_s_record_is_inherited_but_suspends_nobody() -> None:
    """A new member of a ring that is struck often ranks high; the bound that suspends stays a stranger's."""
    ring = ring_prior(DecayedTally(40.0, 100.0), DEFAULT_PRIOR)
    stranger = strike_rate(DecayedTally(), DEFAULT_PRIOR)
    member = strike_rate(DecayedTally(), DEFAULT_PRIOR, ring=ring)

    assert ring.mean == pytest.approx(41 / 150)
    assert member.mean == pytest.approx(41 / 150)
    assert member.low == stranger.low


def test_ring_s_record_gives_way_to_the_seller_s_own() -> None:
    """A thousand honest listings outweigh the company."""
    ring = ring_prior(DecayedTally(40.0, 100.0), DEFAULT_PRIOR)

    assert strike_rate(DecayedTally(0.0, 1000.0), DEFAULT_PRIOR, ring=ring).mean < 0.02


def test_too_few_sellers_fit_no_prior() -> None:
    """199 sellers, or 19 of them struck, are no ground to say what is usual."""
    listings = np.full(400, 20.0)
    strikes = np.zeros(400)
    strikes[:20] = 3.0

    assert fit_prior(strikes, listings) is not None
    assert fit_prior(strikes[:199], listings[:199]) is None
    assert fit_prior(strikes[1:], listings[1:]) is None


# --- a marketplace ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Marketplace:
    """Listings of two years: whose [n], how many days old [n], struck or not [n]; and which sellers are bad now."""

    sellers: NDArray[np.intp]
    age_days: NDArray[np.float64]
    struck: NDArray[np.bool_]
    bad: NDArray[np.bool_]

    def tallies(self, half_life_days: float | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Sum strikes and listings of each seller; None: without decay."""
        weights = np.ones(len(self.sellers)) if half_life_days is None else 2.0 ** (-self.age_days / half_life_days)
        count = len(self.bad)
        sums = [np.bincount(self.sellers, each, count) for each in (weights * self.struck, weights)]
        return sums[0].astype(np.float64), sums[1].astype(np.float64)


def marketplace(seed: int, *, sellers: int = 5_000, days: float = 720.0) -> Marketplace:
    """Make a marketplace.

    8% of the sellers are bad: a quarter of their listings are struck, of the others' 1% (by mistake, or for one bad
    batch). Half of the bad ones began only within these two years, and 3% of the good ones were bad once. Most sellers
    have few listings: a median of 40, log-normal with a deviation of 1.2.
    """
    random = np.random.default_rng(seed)
    counts = np.clip(random.lognormal(np.log(40), 1.2, sellers), 1, 5_000).astype(int)
    bad = random.random(sellers) < 0.08
    reformed = ~bad & (random.random(sellers) < 0.03)
    good_rate, bad_rate = random.beta(1, 100, sellers), random.beta(3, 9, sellers)
    changed = random.uniform(0, days, sellers)
    began = np.where(random.random(sellers) < 0.5, changed, np.inf)
    whose = np.repeat(np.arange(sellers), counts)
    age = random.uniform(0, days, len(whose))
    was_bad = np.where(bad[whose], age < began[whose], reformed[whose] & (age > changed[whose]))
    rate = np.where(was_bad, bad_rate[whose], good_rate[whose])
    return Marketplace(whose, age, random.random(len(whose)) < rate, bad)


def flagged(score: NDArray[np.float64], bad: NDArray[np.bool_], *, recall: float = 0.6) -> tuple[float, int]:
    """Return precision, and how many innocents are flagged, at the score that finds this share of the bad sellers."""
    threshold = np.sort(score[bad])[::-1][int(np.ceil(recall * bad.sum())) - 1]
    found = score >= threshold
    return float((found & bad).sum() / found.sum()), int((found & ~bad).sum())


def mean_score(strikes: NDArray[np.float64], listings: NDArray[np.float64], prior: BetaPrior) -> NDArray[np.float64]:
    """Rank by the posterior mean, as `strike_rate` computes it for one seller."""
    return (prior.alpha + strikes) / (prior.alpha + prior.beta + listings)


def test_strike_rate_finds_bad_sellers_and_spares_good_ones() -> None:
    """At 60% recall, the mean of 8 marketplaces: precision of at least .85, the raw rate and 30 days at most .80."""
    rows: dict[str, list[tuple[float, int]]] = {}
    for seed in range(8):
        market = marketplace(seed)
        all_strikes, all_listings = market.tallies(None)
        scores = {
            "raw rate": all_strikes / all_listings,
            "Laplace +1/+2": (all_strikes + 1) / (all_listings + 2),
            "no decay": mean_score(all_strikes, all_listings, fit_beta(all_strikes, all_listings)),
        }
        for days in (30.0, 180.0, 360.0):
            strikes, listings = market.tallies(days)
            fitted = fit_prior(strikes, listings)
            assert fitted is not None
            scores[f"half-life {days:.0f} d"] = mean_score(strikes, listings, fitted)
        strikes, listings = market.tallies(180.0)
        scores["180 d, default prior"] = mean_score(strikes, listings, DEFAULT_PRIOR)
        for name, score in scores.items():
            rows.setdefault(name, []).append(flagged(score, market.bad))
    result = {name: np.mean(values, axis=0) for name, values in rows.items()}
    for name, (precision, innocents) in result.items():
        print(f"{name:22} precision {precision:.3f}, innocents flagged {innocents:.0f}")

    ours, innocents = result["half-life 180 d"]
    assert ours >= 0.85
    assert result["raw rate"][0] <= 0.80
    assert innocents <= result["raw rate"][1] / 2
    assert result["half-life 30 d"][0] < result["no decay"][0] < ours
    assert result["Laplace +1/+2"][0] < result["raw rate"][0]


def test_suspending_on_the_bound_hardly_hits_an_innocent() -> None:
    """Of those suspended where the bound reaches 5%, one in twenty at most strikes less often; one in a hundred, 3%."""
    random = np.random.default_rng(0)
    true = random.beta(1.0, 49.0, 200_000)
    listings = np.clip(random.lognormal(np.log(40), 1.2, len(true)), 1, 5_000).astype(int)
    strikes = random.binomial(listings, true)
    pairs, counts = np.unique(np.stack([strikes, listings]), axis=1, return_inverse=True)
    low = np.array([strike_rate(DecayedTally(float(s), float(n)), DEFAULT_PRIOR).low for s, n in pairs.T])[counts]

    suspended = low >= 0.05

    assert suspended.sum() > 500
    assert np.mean(true[suspended] < 0.05) <= 0.05
    assert np.mean(true[suspended] < 0.03) <= 0.01
