"""How long does a listing wait for the store? No longer than it has patience; a store that is away is not asked at all.

Whoever screens asks through `StoreGuard.ask`: on threads of its own, so that a store that hangs holds up those and no
listing. A failure, or a probe that fails or takes too long, makes the store count as away: every transaction of this
process is refused at once then, until a probe, each second, is answered in time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from index.background import background
from index.errors import StoreAway
from serving.deadline import NEVER, Deadline
from serving.errors import DeadlineExceeded
from serving.outage.rules import store_is_away

log = logging.getLogger(__name__)
T = TypeVar("T")

PROBE_S = 1.0


class Ask(Protocol):
    """Asks the store something, and answers within bounds; the pipeline's question of records is asked by one."""

    def __call__(self, question: Callable[[], T], /, *, deadline: Deadline) -> T:
        """Return what `question` does. Raises StoreAway or DeadlineExceeded when that takes too long, or its error."""


def directly(question: Callable[[], T], /, *, deadline: Deadline) -> T:  # noqa: ARG001 - an `Ask` without bounds
    """Ask without bounds, for work that has the time."""
    return question()


class StoreGuard:
    """Stands between the screening of listings and the store. Thread-safe; a context manager."""

    def __init__(self, ping: Callable[[], object], *, patience_s: float, at_once: int) -> None:
        """`ping` asks the store something small. `at_once` questions may be open, those given up included."""
        self._ping = ping
        self._patience_s = patience_s
        self._free = threading.Semaphore(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="store")
        self._away_since: datetime | None = None
        self._probed = False

    def __enter__(self) -> StoreGuard:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def away_since(self) -> datetime | None:
        """When the store was found to be away, None while it is not."""
        return self._away_since

    def check(self) -> None:
        """Raise StoreAway while the store is away."""
        if self._away_since is not None:
            raise StoreAway(f"the store has not answered since {self._away_since:%H:%M:%S} UTC; try again later")

    def ask(self, question: Callable[[], T], /, *, deadline: Deadline = NEVER) -> T:
        """Ask the store, for the guard's patience at most; without bounds while nothing probes, as in a command.

        Raises:
            StoreAway: it is away, or did not answer in time.
            DeadlineExceeded: the deadline passed first, which says nothing of the store.
            StoreError, and whatever else the question raises.

        """
        if not self._probed:
            return question()
        self.check()
        left = deadline.remaining
        patient = left is None or left >= self._patience_s
        until = Deadline.after(self._patience_s if patient else left)
        answer = self._begun(question, until)
        if answer is not None:
            wait([answer], until.remaining)
        if answer is None or not answer.done():
            if not patient:
                raise DeadlineExceeded("the deadline passed while the store was asked; nothing was recorded")
            self._lose(f"no answer within {self._patience_s:g} s")
            raise StoreAway(f"the store did not answer within {self._patience_s:g} s")
        try:
            return answer.result()
        except Exception as error:
            if store_is_away(error):
                self._lose(str(error))
            raise

    def _begun(self, question: Callable[[], T], until: Deadline) -> Future[T] | None:
        """Begin to ask, when a thread is free; None when none is in time, for all wait for answers."""
        if not self._free.acquire(timeout=until.remaining):
            return None
        try:
            answer = self._threads.submit(copy_context().run, question)
        except BaseException:
            self._free.release()
            raise
        answer.add_done_callback(lambda _: self._free.release())
        return answer

    @contextmanager
    def probing(self, *, interval_s: float = PROBE_S) -> Iterator[None]:
        """Probe the store each `interval_s` seconds, until the block ends."""
        self._probed = True
        try:
            with background("store probe", lambda stop: self._probe(stop, interval_s)):
                yield
        finally:
            self._probed = False

    def _probe(self, stop: threading.Event, interval_s: float) -> None:
        pings = ThreadPoolExecutor(1, thread_name_prefix="store ping")
        ping: Future[object] | None = None
        try:
            while not stop.wait(interval_s):
                late = ping is not None
                ping = ping or pings.submit(self._ping)
                wait([ping], self._patience_s)
                if not ping.done():
                    self._lose(f"no answer within {self._patience_s:g} s")
                    continue
                error, ping = ping.exception(), None
                if error is not None:
                    self._lose(str(error))
                elif not late:  # one that came after all says nothing of the next
                    self._find()
        finally:
            pings.shutdown(wait=False)

    def _lose(self, why: str) -> None:
        if self._away_since is None:
            self._away_since = datetime.now(UTC)
            log.error("the store is away: %s. Listings go to REVIEW, and are recorded when it is back", why)

    def _find(self) -> None:
        if self._away_since is not None:
            log.warning("the store is back; it was away since %s", f"{self._away_since:%Y-%m-%d %H:%M:%S} UTC")
            self._away_since = None
