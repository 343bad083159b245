"""When is a process beyond help? When its canaries hang: a thread that never comes back can only be ended with it."""

from __future__ import annotations

from serving.errors import DeadlineExceeded


class Hung:
    """Counts for how long every canary ran into its deadline. A device or server that fails is another matter."""

    def __init__(self, limit_s: float) -> None:
        """Give up after `limit_s` seconds; 0 never does."""
        self._limit_s = limit_s
        self._since_s: float | None = None

    def after(self, error: Exception | None, *, now_s: float) -> bool:
        """Take in how a canary ended, at `now_s` of the monotonic clock; tell whether it has hung for too long."""
        if not isinstance(error, DeadlineExceeded):
            self._since_s = None
            return False
        self._since_s = now_s if self._since_s is None else self._since_s
        return self._limit_s > 0 and now_s - self._since_s > self._limit_s
