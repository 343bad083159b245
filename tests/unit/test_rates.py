"""Do the estimates of rates compute what their formulas say, and do the fits find the truth? Held against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from index.rates import BetaPrior, GammaPrior, fit_beta, fit_gamma

COUNTS = st.floats(0, 1e6)


def test_share_after_some_trials() -> None:
    """(a + S) / (a + b + N), and the quantile of the Beta distribution that goes with it, by hand and by scipy."""
    known = BetaPrior(1.0, 49.0).after(2.0, 10.0).estimate()

    assert known.mean == pytest.approx(3 / 60)
    assert known.low == pytest.approx(stats.beta(3, 57).ppf(0.05))


def test_rate_after_some_exposure() -> None:
    """(a + S) / (b + E), and the quantile of the Gamma distribution that goes with it."""
    known = GammaPrior(1.0, 200.0).after(3, 100).estimate()

    assert known.mean == pytest.approx(4 / 300)
    assert known.low == pytest.approx(stats.gamma(4, scale=1 / 300).ppf(0.05))


@given(hits=COUNTS, misses=COUNTS, more=st.floats(0.01, 1e3))
def test_hits_raise_a_share_and_misses_lower_it(hits: float, misses: float, more: float) -> None:
    """Whatever was seen before, mean and bound move with what is seen next, and stay within 0..1."""
    prior = BetaPrior(1.0, 49.0)
    before = prior.after(hits, hits + misses).estimate()
    worse = prior.after(hits + more, hits + more + misses).estimate()
    better = prior.after(hits, hits + misses + more).estimate()

    assert 0 <= better.mean <= before.mean <= worse.mean <= 1
    assert 0 <= better.low <= before.low <= worse.low <= worse.mean


def test_prior_around_another_mean_says_as_much() -> None:
    """Moving a prior keeps what it is worth in trials."""
    moved = BetaPrior(1.0, 49.0).around(0.4)

    assert moved.mean == pytest.approx(0.4)
    assert moved.alpha + moved.beta == pytest.approx(50)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 1.0), (1.0, 0.0), (-1.0, 2.0), (float("nan"), 1.0)])
def test_prior_that_is_none_is_refused(alpha: float, beta: float) -> None:
    """A prior of nothing has no mean."""
    for kind in (BetaPrior, GammaPrior):
        with pytest.raises(ValueError, match="above 0"):
            kind(alpha, beta)


def test_beta_fit_finds_the_prior_that_the_data_came_from() -> None:
    """20,000 sellers with shares from Beta(2, 38): mean within 5%, strength within 15%."""
    random = np.random.default_rng(0)
    trials = random.integers(1, 200, 20_000)
    hits = random.binomial(trials, random.beta(2.0, 38.0, len(trials)))

    fitted = fit_beta(hits.astype(float), trials.astype(float))

    assert fitted.mean == pytest.approx(2 / 40, rel=0.05)
    assert fitted.alpha + fitted.beta == pytest.approx(40, rel=0.15)


def test_beta_fit_is_the_maximum() -> None:
    """No prior nearby makes the data likelier: the likelihood is scipy's, not the fit's own."""
    random = np.random.default_rng(1)
    trials = random.integers(1, 60, 2_000)
    hits = random.binomial(trials, random.beta(0.5, 20.0, len(trials)))

    fitted = fit_beta(hits.astype(float), trials.astype(float))

    def likelihood(alpha: float, beta: float) -> float:
        return float(stats.betabinom(trials, alpha, beta).logpmf(hits).sum())

    best = likelihood(fitted.alpha, fitted.beta)
    nearby = [(fitted.alpha * a, fitted.beta * b) for a in (0.97, 1, 1.03) for b in (0.97, 1, 1.03)]
    assert all(likelihood(*each) <= best + 1e-6 for each in nearby)


def test_gamma_fit_finds_the_prior_that_the_data_came_from() -> None:
    """20,000 sellers with rates from Gamma(2, 400): mean within 5%, shape within 15%."""
    random = np.random.default_rng(2)
    sales = random.integers(10, 5_000, 20_000).astype(float)
    reports = random.poisson(random.gamma(2.0, 1 / 400.0, len(sales)) * sales).astype(float)

    fitted = fit_gamma(reports, sales)

    assert fitted.mean == pytest.approx(2 / 400, rel=0.05)
    assert fitted.alpha == pytest.approx(2, rel=0.15)


def test_fit_of_data_all_alike_stays_finite() -> None:
    """Nobody struck, or everybody alike: the parameters run to a bound, not to infinity."""
    ones = np.ones(1_000)

    none = fit_beta(ones * 0, ones * 50)
    alike = fit_beta(ones * 5, ones * 50)

    assert none.mean < 1e-3
    assert alike.mean == pytest.approx(0.1, rel=0.01)
    assert np.isfinite([none.alpha, none.beta, alike.alpha, alike.beta]).all()
