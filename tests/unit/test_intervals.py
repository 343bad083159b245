"""Shares with exact intervals: known values, the coverage that they promise, and what weights are worth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from index.intervals import Drawn, proportion, weighted


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Clopper and Pearson's own bounds, as R's binom.test prints them.
    [(0, 10, 0.0, 0.3084971), (10, 10, 0.6915029, 1.0), (5, 10, 0.1870860, 0.8129140), (1, 100, 0.0002531, 0.0544594)],
)
def test_intervals_are_the_exact_ones(hits: int, count: int, low: float, high: float) -> None:
    """Known intervals come out, to the digits that are printed."""
    share = proportion(hits, count)

    assert (share.value, share.count, share.hits) == (hits / count, count, hits)
    assert (share.low, share.high) == pytest.approx((low, high), abs=5e-7)
    assert share.effective_count == count


def test_intervals_hold_the_true_share_as_often_as_they_say() -> None:
    """Of 2,000 samples of 60 whose true share is 3%, at most one in twenty has an interval without it."""
    hits = np.random.default_rng(5).binomial(60, 0.03, 2_000)

    inside = sum(share.low <= 0.03 <= share.high for share in (proportion(int(one), 60) for one in hits))

    assert inside >= 0.95 * 2_000


def test_what_nobody_looked_at_says_nothing() -> None:
    """Without any the share is nan, between 0 and 1."""
    share = proportion(0, 0)

    assert math.isnan(share.value)
    assert (share.low, share.high, share.effective_count) == (0.0, 1.0, 0.0)


def test_those_drawn_less_often_count_for_more() -> None:
    """A sample of a tenth and one of a hundredth are put together as if all had been looked at."""
    share = weighted([Drawn(count=100, hits=10, chance=0.1), Drawn(count=10, hits=5, chance=0.01)])

    assert share.value == pytest.approx((10 * 10 + 5 * 100) / (100 * 10 + 10 * 100))
    assert share.effective_count == pytest.approx(2_000**2 / (100 * 10**2 + 10 * 100**2))
    assert share.low < share.value < share.high
    assert (share.count, share.hits) == (110, 15)


def test_equal_chances_change_nothing() -> None:
    """Two parts of one chance are one sample, whatever the chance."""
    both = weighted([Drawn(count=30, hits=2, chance=0.01), Drawn(count=70, hits=3, chance=0.01)])
    plain = proportion(5, 100)

    assert (both.low, both.high, both.value) == pytest.approx((plain.low, plain.high, plain.value))
    assert weighted([Drawn(count=7, hits=7, chance=0.3), Drawn(count=9, hits=9, chance=0.01)]).high == 1.0
