"""Have a brand's prices, or the scores of its listings, drifted? An alarm with a bounded rate of false ones.

A conformal e-detector. Each new value is ranked among those before it; while nothing changes (the values are
exchangeable) the ranks are independent and uniform, whatever the values' distribution, so that a bet on high or low
ranks gains nothing on average (Vovk, Gammerman & Shafer 2022, chapter 8). The Shiryaev-Roberts sum of all bets begun so
far passes THRESHOLD no sooner than after THRESHOLD values on average (Shin, Ramdas & Rinaldo 2023, theorem 2.4).
"""

from __future__ import annotations

import bisect
import enum
import itertools
import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# On average at most one false alarm in so many values of a brand.
THRESHOLD = 5_000.0
# Values after which a change is looked for: the rank among fewer says too little.
_LEAST_REFERENCE = 20


class Direction(enum.StrEnum):
    """Which way the values went."""

    LOWER = "lower"
    HIGHER = "higher"


@dataclass(frozen=True)
class _Bet:
    """A bet that ranks are low or high; its gain kappa p^(kappa - 1) is 1 on average over uniform ranks p."""

    direction: Direction
    kappa: float

    def gain(self, rank: float) -> float:
        """Return by what the bet multiplies at a rank of 0..1."""
        away = rank if self.direction is Direction.LOWER else 1.0 - rank
        return float(self.kappa * max(away, _LEAST_RANK) ** (self.kappa - 1.0))


# The smaller, the bolder: one bet for great changes and one for small ones, each way.
_BETS = tuple(_Bet(direction, kappa) for direction in Direction for kappa in (0.3, 0.6))
_LEAST_RANK = 1e-9


@dataclass(frozen=True)
class DriftAlarm:
    """The value at `place` (from 0) raised the alarm; `since` is the likeliest place of the change.

    `before` and `after` are the medians of the values before it and since it.
    """

    place: int
    since: int
    direction: Direction
    before: float
    after: float


def find_drift(values: Sequence[float]) -> list[DriftAlarm]:
    """Return the alarms over `values`, in the order of time; after each one what comes then is the new reference."""
    alarms: list[DriftAlarm] = []
    start = 0
    while (alarm := _first_alarm(values, start)) is not None:
        alarms.append(alarm)
        start = alarm.place + 1
    return alarms


def _first_alarm(values: Sequence[float], start: int) -> DriftAlarm | None:
    chance = random.Random(start)  # noqa: S311 - breaks ties, which makes ranks uniform; the same each time
    reference: list[float] = []
    sums = dict.fromkeys(_BETS, 0.0)
    gained: dict[_Bet, list[float]] = {bet: [] for bet in _BETS}
    for place in range(start, len(values)):
        rank = _rank(reference, values[place], chance.random())
        for bet in _BETS:
            gain = bet.gain(rank) if place - start >= _LEAST_REFERENCE else 1.0
            gained[bet].append(math.log(gain))
            sums[bet] = (1.0 + sums[bet]) * gain
        if sum(sums.values()) / len(_BETS) >= THRESHOLD:
            winner = max(_BETS, key=lambda bet: sums[bet])
            return _alarm(values, start, place, winner.direction, gained[winner])
    return None


def _rank(reference: list[float], value: float, chance: float) -> float:
    """Put `value` in order among the `reference`, and return the share of it below, ties broken by `chance`: 0..1."""
    low, high = bisect.bisect_left(reference, value), bisect.bisect_right(reference, value)
    reference.insert(high, value)
    return (low + chance * (high - low + 1)) / len(reference)


def _alarm(
    values: Sequence[float], start: int, place: int, direction: Direction, gained: Sequence[float]
) -> DriftAlarm:
    """Return the alarm; the change is where the winning bet would best have begun."""
    total = list(itertools.accumulate(gained))
    since = start + 1 + min(range(len(total) - 1), key=lambda end: total[end])
    return DriftAlarm(
        place=place,
        since=since,
        direction=direction,
        before=statistics.median(values[start:since]),
        after=statistics.median(values[since : place + 1]),
    )
