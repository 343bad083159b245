"""Has a caller had its share of the day? Counts by name that begin anew at midnight, UTC.

Kept in memory, by each replica for itself: a quota bounds what a runaway or stolen credential costs, and is no bill. So
nothing is written for each photo, and a store that is down stops no count; in return a restart forgets, and n replicas
let n times as much through.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from serving.errors import Overloaded


class DailyQuota:
    """Lets each name have `most` of something a day; 0: as much as it likes. For one event loop.

    Bounded by the number of names, which are callers with credentials, not strangers.
    """

    def __init__(
        self, what: str, *, setting: str, most: int, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._what = what
        self._setting = setting
        self._most = most
        self._clock = clock
        self._day = clock().date()
        self._used: Counter[str] = Counter()

    def take(self, name: str, count: int = 1) -> None:
        """Count so many more. Raises Overloaded, without counting them, when that is more than is left of the day."""
        if not self._most:
            return
        now = self._clock()
        if now.date() != self._day:
            self._day = now.date()
            self._used.clear()
        if self._used[name] + count > self._most:
            midnight = datetime.combine(self._day + timedelta(days=1), datetime.min.time(), UTC)
            raise Overloaded(
                f"{self._used[name]:,} {self._what} came from you today, and {self._most:,} a day are allowed",
                retry_after_s=max(1.0, (midnight - now).total_seconds()),
                limit=self._setting,
            )
        self._used[name] += count
