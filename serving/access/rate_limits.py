"""Does somebody ask too often? Token buckets by name, in bounded memory.

A bucket is full at first, gives one token a call and fills up evenly. One process counts for itself, so that several
replicas let several times as much through.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from serving.errors import Overloaded

# Some 20 MB. Of more names the one that was not used for the longest time is forgotten: its bucket is the fullest.
MOST_NAMES = 100_000


class RateLimit:
    """Lets `most` calls of one name through in `within_s` seconds, at once or spread. For one event loop.

    `setting` names what the operator sets it by, and is told to whoever is refused.
    """

    def __init__(
        self,
        what: str,
        *,
        most: int,
        within_s: float,
        setting: str = "",
        names: int = MOST_NAMES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._most = most
        self._rate = most / within_s
        self._setting = setting
        self._names = names
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens left, and when

    def take(self, name: str) -> None:
        """Take a token. Raises Overloaded when there is none, with the time until the next one."""
        now = self._clock()
        left, then = self._buckets.get(name, (float(self._most), now))
        left = min(float(self._most), left + (now - then) * self._rate)
        allowed = left >= 1.0
        self._buckets[name] = (left - 1.0 if allowed else left, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > self._names:
            self._buckets.popitem(last=False)
        if not allowed:
            raise Overloaded(
                f"too many {self._what}; wait a little", retry_after_s=(1.0 - left) / self._rate, limit=self._setting
            )

    def __len__(self) -> int:
        """Count the names that are remembered."""
        return len(self._buckets)
