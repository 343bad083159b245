"""Which view of the store is in use right now? The holder that a replica asks at the start of each listing.

A `Holder` keeps an immutable value that is derived from the store (the catalogue, the price model), makes a new one
when the store has changed and swaps it in one step: a listing under way keeps the one it began with. When the store
cannot be read, the old one stays and `stale_since` says since when.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Generic, TypeVar

from index.background import background

logger = logging.getLogger(__name__)
T = TypeVar("T")

# Given a function, has it called after each change until the block ends; `ChangeFeed.calling` of some topics is one.
Announcer = Callable[[Callable[[], None]], AbstractContextManager[None]]


def _now() -> datetime:
    return datetime.now(UTC)


class Holder(Generic[T]):
    """Holds the current value and replaces it. Reading `current` never waits, not even for a renewal.

    `renew(old)` makes the value for the store's present state, or returns None when `old` still is.
    """

    def __init__(self, value: T, renew: Callable[[T], T | None], *, clock: Callable[[], datetime] = _now) -> None:
        self._current = value
        self._renew = renew
        self._clock = clock
        self._stale_since: datetime | None = None
        self._refreshing = threading.Lock()
        self._confirmed_at = time.monotonic()
        self._polled = False

    @property
    def current(self) -> T:
        """The value in use. Take it once for a listing: the next call may give a newer one."""
        return self._current

    @property
    def stale_since(self) -> datetime | None:
        """When refreshing began to fail, or None while the last attempt succeeded."""
        return self._stale_since

    @property
    def age_s(self) -> float:
        """Seconds since the value was last known to be the store's present state."""
        return time.monotonic() - self._confirmed_at

    @property
    def behind_s(self) -> float | None:
        """The same while something polls; without it nobody expects the value to follow the store: None."""
        return self.age_s if self._polled else None

    def refresh(self) -> bool:
        """Bring the value to the store's present state; say whether that took a new one.

        When it fails the error is raised, the old value stays, and `stale_since` is set. Of several callers one
        works and the others wait for it.
        """
        with self._refreshing:
            began = time.monotonic()
            try:
                changed = self._refresh()
            except Exception:
                self._stale_since = self._stale_since or self._clock()
                raise
            self._stale_since = None
            self._confirmed_at = began
            return changed

    @contextmanager
    def polling(self, *, interval_s: float = 1.0, announcer: Announcer | None = None) -> Iterator[None]:
        """Refresh in a thread of its own, until the block ends: after each change that the `announcer` tells of.

        After `interval_s` seconds without one it looks by itself, for the announcer may have been cut off. Refreshing
        takes at most half of the thread's time, however much is announced. A failure is logged once per spell of
        failures, with its traceback; the thread goes on and tries again.
        """
        if interval_s <= 0:
            raise ValueError(f"interval_s is {interval_s}, but a poll needs a pause of more than 0 seconds")
        bell = threading.Event()
        self._confirmed_at, self._polled = time.monotonic(), True
        try:
            with (
                background("refresh", lambda stop: self._poll(stop, bell, interval_s), vital=True, wake=bell.set),
                nullcontext() if announcer is None else announcer(bell.set),
            ):
                yield
        finally:
            self._polled = False

    def _refresh(self) -> bool:
        new = self._renew(self._current)
        if new is not None:
            self._current = new
        return new is not None

    def _poll(self, stop: threading.Event, bell: threading.Event, interval_s: float) -> None:
        while True:
            bell.wait(interval_s)
            bell.clear()  # before the store is read: a change that comes meanwhile rings it again
            if stop.is_set():
                return
            began = time.monotonic()
            was_stale = self._stale_since is not None
            try:
                self.refresh()
            except Exception as error:
                if was_stale:
                    logger.debug("still no refresh: %s", error, exc_info=True)
                else:
                    logger.exception("cannot refresh from the store; going on with what is known until it can be read")
            else:
                if was_stale:
                    logger.info("up to date with the store again")
            stop.wait(min(time.monotonic() - began, interval_s))
