"""How fast does a scan go? Listings a second over the last half minute, and how long the rest will take."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW_S = 30.0


@dataclass
class Pace:
    """Counts of rows done with their moments, in seconds of any clock that only goes forward."""

    _noted: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, done: int, at: float) -> None:
        """Note how many rows are done. One note from before the window is kept, to measure from."""
        self._noted.append((at, done))
        while len(self._noted) > 2 and self._noted[1][0] <= at - WINDOW_S:
            self._noted.popleft()

    @property
    def per_second(self) -> float:
        """Rows a second; 0 as long as nothing can be told."""
        if len(self._noted) < 2:
            return 0.0
        (began, before), (at, done) = self._noted[0], self._noted[-1]
        return (done - before) / (at - began) if at > began else 0.0

    def remaining_s(self, left: int) -> float:
        """Return how long `left` rows will take, in seconds; 0 when it cannot be told."""
        rate = self.per_second
        return left / rate if rate > 0.0 else 0.0
