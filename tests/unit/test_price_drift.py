"""The drift alarm: its rate of false alarms, its delay, and the windows and sketches that stand beside it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from index.price_drift import THRESHOLD, Direction, find_drift
from index.price_sketch import price_quantiles
from index.price_windows import windows

NOW = datetime(2025, 9, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["t", "lognormal", "ties"])
def test_false_alarms_are_rarer_than_the_bound(kind: str) -> None:
    """Over 100,000 values without a change, of any distribution, alarms come less often than one in THRESHOLD."""
    chance = np.random.default_rng(1)
    draws = {
        "t": chance.standard_t(5, 100_000),
        "lognormal": chance.lognormal(0, 1, 100_000),
        "ties": chance.integers(0, 6, 100_000).astype(float),
    }[kind]

    alarms = sum(len(find_drift(part.tolist())) for part in np.split(draws, 20))

    assert alarms <= len(draws) / THRESHOLD


@pytest.mark.parametrize(
    ("shift", "delay", "direction"),
    [(-0.3, 60, Direction.LOWER), (-0.7, 20, Direction.LOWER), (0.5, 30, Direction.HIGHER)],
)
def test_a_change_is_noticed_soon(shift: float, delay: int, direction: Direction) -> None:
    """After 500 prices that spread by 0.4, a shift is noticed within the stated median delay over 30 trials."""
    chance, delays = np.random.default_rng(4), []
    for _ in range(30):
        values = 0.4 * chance.standard_t(5, 900)
        values[500:] += shift
        alarms = [alarm for alarm in find_drift(values.tolist()) if alarm.place >= 500]
        delays.append(alarms[0].place - 500 if alarms else 400)
        assert not alarms or alarms[0].direction is direction

    assert np.median(delays) <= delay


def test_an_alarm_says_since_when_and_how_much() -> None:
    """The change is placed within ten values, and both medians are told."""
    values = [*np.random.default_rng(0).normal(1.0, 0.1, 200), *np.random.default_rng(1).normal(0.5, 0.1, 60)]

    (alarm,) = find_drift(values)

    assert abs(alarm.since - 200) <= 10
    assert alarm.place < 220
    assert alarm.before == pytest.approx(1.0, abs=0.05)
    assert alarm.after == pytest.approx(0.5, abs=0.1)


def test_the_same_values_give_the_same_alarms() -> None:
    """Ties are broken by chance, yet the same each time; nothing raises nothing."""
    values = np.random.default_rng(3).integers(0, 3, 300).tolist() + [9] * 30

    assert find_drift(values) == find_drift(values) != []
    assert find_drift([]) == []


def test_windows_forget_at_their_own_pace() -> None:
    """A price of a day ago counts half today and nearly whole in the long term; a future time counts as now."""
    prices = [(NOW - timedelta(days=1), 2.0), (NOW + timedelta(days=3), 8.0)]

    long_term, recent, today = windows(prices, now=NOW)

    assert today.weight == pytest.approx(1.5)
    assert today.ratio == pytest.approx(math.exp((0.5 * math.log(2) + math.log(8)) / 1.5))
    assert long_term.weight == pytest.approx(1.0 + 2 ** (-1 / 180))
    assert recent.name == "recent"


def test_windows_of_nothing_are_empty() -> None:
    """Without dated prices every window has no weight and no ratio."""
    assert all(window.ratio is None and window.weight == 0.0 for window in windows([], now=NOW))


def test_quantiles_hold_their_stated_rank_error() -> None:
    """Of 100,000 prices the true rank of each quantile lies in the stated bounds, and the sketch stays below 8 KB."""
    prices = np.random.default_rng(7).lognormal(4.0, 0.8, 100_000)

    found = price_quantiles(prices.tolist())

    assert found.count == 100_000
    assert found.size_bytes < 8_192
    for quantile in found.quantiles:
        assert quantile.low <= np.mean(prices <= quantile.value) <= quantile.high
        assert abs(np.mean(prices <= quantile.value) - quantile.rank) < 0.03
    assert abs(np.mean(prices <= found.quantiles[1].value) - 0.05) < 0.005


def test_no_price_has_no_quantiles() -> None:
    """An empty sketch has none."""
    assert price_quantiles([]).quantiles == ()
