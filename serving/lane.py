"""How do many callers share what serves one at a time? A queue, and a thread that takes whole batches from it.

The owner takes whatever is queued when it becomes free, up to `max_crops` of one kind of work. Under light load a batch
is one caller's, under heavy load it fills by itself, and nobody waits on a timer. `serving.batching` has two of these.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, Overloaded
from vision.errors import ModelError

log = logging.getLogger(__name__)

Crops = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True, eq=False)
class Work:
    """A kind of job, equal to itself alone: `do` gives an answer for each crop in order: an array's rows, or a list."""

    name: str
    do: Callable[[Crops], Any]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch that was done, or failed with `error`. Times are `time.perf_counter`'s, in seconds.

    For each of its jobs, in order, `tickets` holds what `LaneObserver.ticket` was, and `queued` when it came.
    """

    lane: str
    work: str
    crops: int
    tickets: tuple[object, ...]
    queued: tuple[float, ...]
    began: float
    ended: float
    error: Exception | None


class LaneObserver(Protocol):
    """Who wants to know what a lane does. What its methods raise is logged, and changes nothing."""

    def ticket(self) -> object:
        """Return what ties a job to its request; called in the caller's thread."""

    def ran(self, batch: Batch) -> None:
        """Take note of a batch; called in the owner's thread, after its callers have their answers."""


class Lane:
    """The one owner of what its works use, in a thread of its own. Thread-safe; close it to end the thread."""

    def __init__(self, owner: str, *, max_crops: int, max_waiting: int, observer: LaneObserver | None = None) -> None:
        self.name = owner
        self._observer = observer
        self._max_crops = max_crops
        self._max_waiting = max_waiting
        self._waiting: deque[_Job] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._owner = threading.Thread(target=self._run, name=owner, daemon=True)
        self._owner.start()

    @property
    def waiting(self) -> int:
        """How many callers wait for a batch."""
        return len(self._waiting)

    def do(self, work: Work, crops: Crops, deadline: Deadline) -> Sequence[Any]:
        """Wait for the owner to do it: an answer for each crop.

        Raises:
            Overloaded: too many callers are waiting.
            DeadlineExceeded: the deadline passed first; the work is dropped if it has not begun.
            ModelError: there are not as many answers as crops; and whatever the work raises.

        """
        job = _Job(work, crops, self._observer.ticket() if self._observer is not None else None)
        with self._changed:
            if self._closed:
                raise Overloaded("the service is shutting down", retry_after_s=1.0)
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded(f"{self._max_waiting} requests wait for the embedder already", retry_after_s=1.0)
            self._waiting.append(job)
            self._changed.notify()
        wait([job.result], deadline.remaining)
        if job.result.done():
            return job.result.result()
        self._give_up(job)
        raise DeadlineExceeded("the deadline passed while the photos were embedded; nothing was recorded")

    def close(self) -> None:
        """Finish what is queued, then end the owner's thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._owner.join()

    def _give_up(self, job: _Job) -> None:
        """Free the place of a caller who left, so that the queue holds only those who still wait."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def _run(self) -> None:
        while batch := self._next_batch():
            began = time.perf_counter()
            error = _run_batch(batch)
            if self._observer is not None:
                self._tell(self._observer, batch, began, error)

    def _tell(self, observer: LaneObserver, batch: Sequence[_Job], began: float, error: Exception | None) -> None:
        try:
            observer.ran(
                Batch(
                    lane=self.name,
                    work=batch[0].work.name,
                    crops=sum(len(job.crops) for job in batch),
                    tickets=tuple(job.ticket for job in batch),
                    queued=tuple(job.queued for job in batch),
                    began=began,
                    ended=time.perf_counter(),
                    error=error,
                )
            )
        except Exception:  # the owner must outlive any failure
            log.exception("a batch of %s could not be told of", self.name)

    def _next_batch(self) -> list[_Job]:
        """Wait for work and take as many whole jobs of the first one's kind as fit; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch: list[_Job] = []
            size = 0
            while self._waiting and (not batch or self._fits(self._waiting[0], batch[0], size)):
                batch.append(self._waiting.popleft())
                size += len(batch[-1].crops)
            return batch

    def _fits(self, job: _Job, first: _Job, size: int) -> bool:
        return job.work is first.work and size + len(job.crops) <= self._max_crops


class _Job:
    def __init__(self, work: Work, crops: Crops, ticket: object) -> None:
        self.ticket = ticket
        self.queued = time.perf_counter()
        self.work = work
        self.crops = crops
        self.result: Future[Sequence[Any]] = Future()


def _run_batch(batch: Sequence[_Job]) -> Exception | None:
    """Answer the jobs of a batch; say what they failed with, if they did."""
    crops = [crop for job in batch for crop in job.crops]
    try:
        answers = batch[0].work.do(crops)
        if len(answers) != len(crops):  # slices of it would go to the wrong callers
            raise ModelError(f"{batch[0].work.name} gave {len(answers)} answers for {len(crops)} crops")
    except Exception as error:  # noqa: BLE001 - the owner must outlive any failure; each caller gets it
        for job in batch:
            job.result.set_exception(error)
        return error
    start = 0
    for job in batch:
        job.result.set_result(answers[start : start + len(job.crops)])
        start += len(job.crops)
    return None
