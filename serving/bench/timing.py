"""How long does it take? Wall-clock rates and medians; what is measured once more is told to nobody."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence


def seconds_of(do: Callable[[], object]) -> float:
    """Time one call."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def median_seconds(do: Callable[[], object], repeats: int) -> float:
    """Time a call that was made before, so that caches are warm, `repeats` times and give the median."""
    return statistics.median(seconds_of(do) for _ in range(repeats))


def median_of(measure: Callable[[], float], repeats: int) -> float:
    """Measure `repeats` times and give the median."""
    return statistics.median(measure() for _ in range(repeats))


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest of the values, of which there is one at least, that `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
