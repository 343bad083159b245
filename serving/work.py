"""How much is in work? Blocking work on worker threads, bounded in number, and waited for when the server drains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TypeVar

from serving.errors import Overloaded

T = TypeVar("T")


class Work:
    """Runs blocking calls on `workers`, at most `max_waiting` at once, for every servicer of a server together."""

    def __init__(self, workers: Executor, *, max_waiting: int) -> None:
        self._workers = workers
        self._max_waiting = max_waiting
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unfinished(self) -> int:
        """How many calls are in work."""
        return self._unfinished

    async def run(self, blocking: Callable[[], T]) -> T:
        """Run one call, in this task's context: on the same request. Raises Overloaded when too many are in work."""
        if self._unfinished >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} requests are in work already", retry_after_s=1.0)
        self._unfinished += 1
        self._idle.clear()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._workers, copy_context().run, blocking)
        finally:
            self._unfinished -= 1
            if self._unfinished == 0:
                self._idle.set()

    async def finished(self) -> None:
        """Wait until nothing is in work."""
        await self._idle.wait()


class Turns:
    """Lets few calls at a time through to `work`, so that slow ones leave its other threads to everybody else.

    A call keeps its turn until its thread is done with it, also when whoever asked has gone.
    """

    def __init__(self, work: Work, *, at_once: int, max_waiting: int) -> None:
        self._work = work
        self._most = at_once + max_waiting
        self._inside = 0
        self._turn = asyncio.Semaphore(at_once)

    async def run(self, blocking: Callable[[], T]) -> T:
        """Run one call in its turn. Raises Overloaded when too many wait."""
        if self._inside >= self._most:
            raise Overloaded(f"{self._most} requests of this kind are in work already", retry_after_s=1.0)
        self._inside += 1
        try:
            await self._turn.acquire()
            running = asyncio.create_task(self._work.run(blocking))
            running.add_done_callback(self._done)
            return await asyncio.shield(running)
        finally:
            self._inside -= 1

    def _done(self, running: asyncio.Task[T]) -> None:
        self._turn.release()
        if not running.cancelled():
            running.exception()  # whoever asked may not be there to take it
