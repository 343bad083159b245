"""Rates of wrong matches far below one in all photos at hand are predicted from the nearest photos."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from index.breadth import LEAST, MILLION, NEAREST, false_matches_per_million


def similarities(count: int, *, dimension: float, seed: int = 0) -> NDArray[np.float32]:
    """Draw cosines whose distance from 1 grows as in a space of so many dimensions."""
    uniform = np.random.default_rng(seed).uniform(size=count)
    return (1.0 - uniform ** (1.0 / dimension)).astype(np.float32)


@pytest.mark.parametrize("dimension", [4.0, 8.0, 14.0])
def test_rate_beyond_the_data_is_that_of_the_power_law(dimension: float) -> None:
    """For vectors of known dimension, a rate a thousand times below 1/n is predicted to within a factor of three.

    The median over 30 backgrounds of 1,000 photos lies within a fifth of the truth on the scale of logarithms.
    """
    rate = 1e-6
    at_least = 1.0 - rate ** (1.0 / dimension)

    found = [
        false_matches_per_million(similarities(1_000, dimension=dimension, seed=seed), at_least) for seed in range(30)
    ]

    assert rate * MILLION / 3 < np.median(found) < rate * MILLION * 3


def test_rate_within_the_data_is_counted() -> None:
    """Below the nearest photos nothing is extrapolated: the share itself is the answer."""
    found = similarities(1_000, dimension=6.0)
    at_least = float(np.quantile(found, 0.8))

    assert false_matches_per_million(found, at_least) == pytest.approx(np.mean(found >= at_least) * MILLION)


def test_counted_and_predicted_rates_meet() -> None:
    """Where counting ends and the tail begins, there is no jump, and a higher threshold never gives a higher rate."""
    found = np.sort(similarities(2_000, dimension=9.0))
    edge = float(found[-NEAREST - 1])

    rates = [false_matches_per_million(found, at_least) for at_least in np.linspace(edge - 0.05, 0.999, 60)]

    assert rates == sorted(rates, reverse=True)
    assert false_matches_per_million(found, edge + 1e-7) == pytest.approx(NEAREST / 2_000 * MILLION, rel=0.05)


@pytest.mark.parametrize("value", [0.3, 1.0])
def test_photos_all_alike_break_nothing(value: float) -> None:
    """When all photos are equally similar, all match up to that similarity and none beyond it."""
    found = np.full(LEAST, value, np.float32)

    assert false_matches_per_million(found, 0.2) == MILLION
    assert false_matches_per_million(found, 0.9) == (MILLION if value == 1.0 else pytest.approx(0.0, abs=1e-9))


def test_too_few_photos_are_refused() -> None:
    """A handful of photos says nothing about rare matches."""
    with pytest.raises(ValueError, match=f"at least {LEAST}"):
        false_matches_per_million(np.zeros(LEAST - 1, np.float32), 0.9)
