"""Is there room for one more, and for one more of the same caller? Places that are held for as long as a block runs.

For what fills memory by being there, such as a body that arrives slowly: unlike `serving.work.Turns` nobody waits, for
who waits is there already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serving.errors import Overloaded


class Places:
    """Lets `most` in at once, `of_one` of them by the same name. For one event loop.

    `what` is said when it refuses, with `whose` they are for one name; `setting` is the operator's for that.
    """

    def __init__(
        self,
        what: str,
        *,
        most: int,
        of_one: int,
        retry_after_s: float,
        whose: str = " from your address",
        setting: str = "",
    ) -> None:
        self._what, self._whose, self._setting = what, whose, setting
        self._most = most
        self._of_one = of_one
        self._retry_after_s = retry_after_s
        self._taken: Counter[str] = Counter()

    @contextmanager
    def taken(self, name: str) -> Iterator[None]:
        """Hold a place for a block. Raises Overloaded when there is none, or none for this name."""
        if self._taken.total() >= self._most:
            raise Overloaded(f"{self._most} {self._what} already", retry_after_s=self._retry_after_s)
        if self._taken[name] >= self._of_one:
            raise Overloaded(
                f"{self._of_one} {self._what}{self._whose} already",
                retry_after_s=self._retry_after_s,
                limit=self._setting,
            )
        self._taken[name] += 1
        try:
            yield
        finally:
            self._taken[name] -= 1
            if not self._taken[name]:
                del self._taken[name]
