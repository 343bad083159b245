"""How have a brand's prices moved lately? Decayed windows over dated prices: long-term, recent and today.

What an operator looks at beside the drift alarm of `index.price_drift`. A price counts 2^(-age / half-life), so that
no window has an edge over which a burst of prices falls.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

# Name and half-life of each window.
WINDOWS = (
    ("long-term", timedelta(days=180)),
    ("recent", timedelta(days=14)),
    ("today", timedelta(days=1)),
)


@dataclass(frozen=True)
class Window:
    """A window's weight in prices, and its geometric mean of price / expected price; None where the weight is 0."""

    name: str
    weight: float
    ratio: float | None


def windows(ratios: Iterable[tuple[datetime, float]], *, now: datetime) -> tuple[Window, ...]:
    """Return each of WINDOWS over prices, given as their time and their ratio (above 0) to the expected price.

    A time after `now` counts as now.
    """
    weights, totals = [0.0] * len(WINDOWS), [0.0] * len(WINDOWS)
    for time, ratio in ratios:
        age = max(now - time, timedelta(0))
        for place, (_, half_life) in enumerate(WINDOWS):
            weight = 0.5 ** (age / half_life)
            weights[place] += weight
            totals[place] += weight * math.log(ratio)
    return tuple(
        Window(name, weight, math.exp(total / weight) if weight > 0.0 else None)
        for (name, _), weight, total in zip(WINDOWS, weights, totals, strict=True)
    )
