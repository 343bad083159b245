"""Where does the price stand among what such goods cost? The geometry of a plot that a template draws as SVG.

The axis is logarithmic: half the price and double the price are equally far. Positions are thousandths of the width.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from google.type.money_pb2 import Money

from touchstone.moderation.v1.evidence_pb2 import PriceEvidence

WIDTH = 1000.0
_MARGIN = 0.06
# Steps of 1, 2 and 5 as long as there are few enough, else powers of ten.
_STEPS = (1, 2, 5)
_MOST_TICKS = 8
_LEAST_UNITS = 1e-3


@dataclass(frozen=True)
class Tick:
    """A round amount on the axis."""

    x: float
    amount: float


@dataclass(frozen=True, kw_only=True)
class PricePlot:
    """Where to draw what, in thousandths of the width. The band is the central 90% of expected prices."""

    price: float
    expected: float
    low: float
    high: float
    ticks: tuple[Tick, ...]

    @property
    def is_low(self) -> bool:
        """Whether the price lies below the band."""
        return self.price < self.low


def price_plot(evidence: PriceEvidence) -> PricePlot | None:
    """Lay out the plot; None where an amount is 0 or less, which has no place on the axis."""
    price, expected, low, high = (
        _amount(money) for money in (evidence.unit_price, evidence.expected, evidence.low, evidence.high)
    )
    if min(price, expected, low, high) < _LEAST_UNITS:
        return None
    least, most = math.log(min(price, low)), math.log(max(price, high))
    room = max(most - least, 0.1) * _MARGIN
    least, most = least - room, most + room

    def place(amount: float) -> float:
        return WIDTH * (math.log(amount) - least) / (most - least)

    ticks = tuple(Tick(place(amount), amount) for amount in _round_amounts(math.exp(least), math.exp(most)))
    return PricePlot(price=place(price), expected=place(expected), low=place(low), high=place(high), ticks=ticks)


def _round_amounts(least: float, most: float) -> Iterator[float]:
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in (_STEPS, _STEPS[:1]):
        amounts = [step * 10.0**power for power in powers for step in steps if least < step * 10.0**power < most]
        if len(amounts) <= _MOST_TICKS:
            break
    yield from amounts


def _amount(money: Money) -> float:
    return float(money.units) + float(money.nanos) / 1e9
