"""What do requests wait for? Processors that take one piece of work each, and GPUs that take whole batches.

Times are seconds of the simulation's clock. Against the formulas of queueing theory: tests/unit/test_fleet.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import simpy

Steps = Generator[simpy.Event, Any, Any]


class Refused(Exception):
    """A queue is full, or nobody is there: the caller is told so at once."""


class Pool:
    """So many servers behind one queue, first come, first served; a queue that is full refuses."""

    def __init__(self, env: simpy.Environment, servers: int, *, most_waiting: int | None = None) -> None:
        self._env = env
        self._servers = simpy.Resource(env, servers)
        self._most_waiting = most_waiting
        self.up = True

    @property
    def load(self) -> int:
        """Requests that are served or wait."""
        return self._servers.count + len(self._servers.queue)

    def serve(self, seconds: float, *, until: float = float("inf")) -> Steps:
        """Wait for a server and keep it for `seconds`; what is not begun at the time `until` is dropped.

        Raises:
            Refused: the queue is full, the time is over, or the pool went down.

        """
        if not self.up or (self._most_waiting is not None and len(self._servers.queue) >= self._most_waiting):
            raise Refused
        with self._servers.request() as turn:
            yield turn
            if not self.up or self._env.now > until:
                raise Refused
            yield self._env.timeout(seconds)
            if not self.up:
                raise Refused


@dataclass(frozen=True)
class _Job:
    size: int
    done: simpy.Event


class BatchServer:
    """A GPU: takes what waits, up to `most` pictures, for `fixed_s` and `each_s` a picture."""

    def __init__(self, env: simpy.Environment, *, most: int, fixed_s: float, each_s: float) -> None:
        self._env = env
        self._most = most
        self._fixed_s, self._each_s = fixed_s, each_s
        self._waiting: deque[_Job] = deque()
        self._woken = env.event()
        self._up = True
        self.load = 0
        """Pictures that are looked at or wait."""
        env.process(self._run())

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self._up

    @up.setter
    def up(self, up: bool) -> None:
        self._up = up
        if not up:
            while self._waiting:
                self._end(self._waiting.popleft(), well=False)

    def serve(self, size: int) -> Steps:
        """Look at `size` pictures in one batch, with others' that wait. Raises Refused when it is or goes down."""
        if not self._up:
            raise Refused
        job = _Job(size, self._env.event())
        self._waiting.append(job)
        self.load += size
        if not self._woken.triggered:
            self._woken.succeed()
        if not (yield job.done):
            raise Refused

    def _run(self) -> Steps:
        while True:
            if not self._waiting:
                self._woken = self._env.event()
                yield self._woken
            batch: list[_Job] = []
            size = 0
            while self._waiting and (not batch or size + self._waiting[0].size <= self._most):
                batch.append(self._waiting.popleft())
                size += batch[-1].size
            yield self._env.timeout(self._fixed_s + self._each_s * size)
            for job in batch:
                self._end(job, well=self._up)

    def _end(self, job: _Job, *, well: bool) -> None:
        self.load -= job.size
        job.done.succeed(well)
