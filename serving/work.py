"""How much is in work? Blocking work on worker threads, bounded in number, and waited for when the server drains.

Threads are given out fairly: each rpc that waits has one turn a round, whether it is a single call or a stream with
many items under way, so that no stream takes the threads of those who ask for one thing.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import TypeVar

from serving.deadline import NEVER, Deadline
from serving.errors import Overloaded
from serving.pace import Pace, until_free

T = TypeVar("T")


class Work:
    """Runs blocking calls on `workers`, `at_once` of them, at most `max_waiting` in all, for all servicers together."""

    def __init__(self, workers: Executor, *, at_once: int, max_waiting: int) -> None:
        self._workers = workers
        self._at_once = at_once
        self._max_waiting = max_waiting
        self._free = at_once
        self._lines: OrderedDict[object, deque[asyncio.Future[None]]] = (
            OrderedDict()
        )  # by rpc, whose turn is next first
        self._pace = Pace()
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unfinished(self) -> int:
        """How many calls are in work."""
        return self._unfinished

    async def run(self, blocking: Callable[[], T], *, rpc: object = None, deadline: Deadline = NEVER) -> T:
        """Run one call, in this task's context: on the same request; those with the same `rpc` share its turns.

        Raises:
            Overloaded: too many are in work, or the deadline would pass before its turn came.

        """
        if self._unfinished >= self._max_waiting:
            wait_s = self._seconds_for(self._unfinished)
            raise Overloaded(f"{self._max_waiting} requests are in work already", retry_after_s=until_free(wait_s))
        line = object() if rpc is None else rpc
        self._check_time(line, deadline)
        self._unfinished += 1
        self._idle.clear()
        try:
            await self._turn(line)
            began = time.monotonic()
            try:
                inside = copy_context().run
                return await asyncio.get_running_loop().run_in_executor(self._workers, inside, blocking)
            finally:
                self._pace.note(time.monotonic() - began)
                self._pass_on()
        finally:
            self._unfinished -= 1
            if self._unfinished == 0:
                self._idle.set()

    async def finished(self) -> None:
        """Wait until nothing is in work."""
        await self._idle.wait()

    def _check_time(self, line: object, deadline: Deadline) -> None:
        """Refuse what would not have its turn in time."""
        own = len(self._lines.get(line, ()))
        ahead_s = self._seconds_for(sum(min(len(each), own + 1) for each in self._lines.values()))
        remaining = deadline.remaining
        if remaining is not None and ahead_s > remaining:
            raise Overloaded(
                f"the requests ahead take about {ahead_s:.1f} s, and the deadline leaves {remaining:.1f} s; "
                "nothing was recorded",
                retry_after_s=until_free(ahead_s),
            )

    def _seconds_for(self, count: int) -> float:
        return self._pace.seconds_for(count) / self._at_once

    async def _turn(self, line: object) -> None:
        """Wait for a free thread."""
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(line, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given at the same moment
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give a thread that became free to the next rpc in the round, which then stands last."""
        while self._lines:
            line, waiting = self._lines.popitem(last=False)
            turn = waiting.popleft()
            if waiting:
                self._lines[line] = waiting
            if not turn.done():  # else whoever waited has gone
                turn.set_result(None)
                return
        self._free += 1


class Turns:
    """Lets few calls at a time through to `work`, so that slow ones leave its other threads to everybody else.

    A call keeps its turn until its thread is done with it, also when whoever asked has gone.
    """

    def __init__(self, work: Work, *, at_once: int, max_waiting: int) -> None:
        self._work = work
        self._at_once = at_once
        self._most = at_once + max_waiting
        self._pace = Pace()
        self._inside = 0
        self._turn = asyncio.Semaphore(at_once)

    async def run(self, blocking: Callable[[], T]) -> T:
        """Run one call in its turn. Raises Overloaded when too many wait."""
        if self._inside >= self._most:
            wait_s = self._pace.seconds_for(self._inside) / self._at_once
            raise Overloaded(
                f"{self._most} requests of this kind are in work already", retry_after_s=until_free(wait_s)
            )
        self._inside += 1
        try:
            await self._turn.acquire()
            began = time.monotonic()
            running = asyncio.create_task(self._work.run(blocking))
            running.add_done_callback(lambda done: self._done(done, time.monotonic() - began))
            return await asyncio.shield(running)
        finally:
            self._inside -= 1

    def _done(self, running: asyncio.Task[T], seconds: float) -> None:
        self._pace.note(seconds)
        self._turn.release()
        if not running.cancelled():
            running.exception()  # whoever asked may not be there to take it
