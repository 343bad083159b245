"""How long does one take at the moment? Measured as work is done, to say how long a line will take.

Nothing is said before a few were measured: the first pass of a network compiles it, and says nothing of the next.
"""

from __future__ import annotations

import statistics
from collections import deque

# The median of so many: a slow one or two move nothing, and a change of load shows within as many again.
_REMEMBERED, _LEAST = 31, 3


class Pace:
    """Seconds for each of what is done. One thread, or one lock, at a time."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, seconds: float, count: int = 1) -> None:
        """Say that `count`, at least one, took so long together."""
        self._seconds.append(seconds / count)

    def seconds_for(self, count: int) -> float:
        """Say how long so many will take: 0 while too few were measured."""
        return count * statistics.median(self._seconds) if len(self._seconds) >= _LEAST else 0.0


def until_free(seconds: float) -> float:
    """Turn what a full line is estimated to take into when it is worth coming back: a tenth of a second to a minute."""
    return min(max(seconds, 0.1), 60.0)
