"""Does work in the background go on? Threads that begin it again when it fails, and say so.

A worker's loop is meant to outlive any error; should one come through all the same, or the loop end before it was told
to, it is logged and begun again, after pauses that grow. `failing` tells readiness which of those that matter do not
get going: a thread that died in silence beside a healthy-looking service is what this is for.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

# Pauses before a worker is begun again, and after how long in one piece it counts as well again.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
_WELL_AFTER_S = 60.0


class Worker(threading.Thread):
    """A thread that does `work(stop)` until `stop` is set. `vital`: without it the process does no good work."""

    def __init__(self, name: str, work: Callable[[threading.Event], None], *, vital: bool) -> None:
        super().__init__(name=name, daemon=True)
        self.vital = vital
        self.failures = 0
        self.stopping = threading.Event()
        self._work = work
        self._failing_since: float | None = None
        self._began = 0.0

    @property
    def failing_s(self) -> float | None:
        """For how many seconds it has failed again and again, None when it works."""
        since = self._failing_since
        if since is None or time.monotonic() - self._began > _WELL_AFTER_S:
            return None
        return time.monotonic() - since

    def run(self) -> None:
        """Work, again and again if need be."""
        pause_s = _FIRST_PAUSE_S
        while not self.stopping.is_set():
            self._began = time.monotonic()
            try:
                self._work(self.stopping)
                if self.stopping.is_set():
                    return
                logger.error("the worker %r ended; it is begun again", self.name)
            except BaseException:  # a thread has nobody above it who could handle more
                logger.exception("the worker %r failed; it is begun again", self.name)
            self.failures += 1
            if time.monotonic() - self._began > _WELL_AFTER_S:
                pause_s, self._failing_since = _FIRST_PAUSE_S, None
            self._failing_since = self._failing_since or time.monotonic()
            self.stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


@contextmanager
def background(
    name: str,
    work: Callable[[threading.Event], None],
    *,
    vital: bool = False,
    wake: Callable[[], None] = lambda: None,
) -> Iterator[Worker]:
    """Do `work(stop)` in a thread until the block ends: `stop` is set then, and `wake` called, and it is waited for."""
    worker = Worker(name, work, vital=vital)
    worker.start()
    try:
        yield worker
    finally:
        worker.stopping.set()
        wake()
        worker.join()


def workers() -> list[Worker]:
    """Name the workers of this process."""
    return [thread for thread in threading.enumerate() if isinstance(thread, Worker)]


def failing(*, longer_than_s: float) -> list[Worker]:
    """Name the vital workers that have not got going for so long."""
    return [one for one in workers() if one.vital and (one.failing_s or 0.0) > longer_than_s]
