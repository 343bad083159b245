"""How do many callers share what serves one at a time? A queue, and a thread that takes whole batches from it.

The owner takes whatever is queued when it becomes free, up to `max_crops` of the kind of work that is first in line.
Under light load a batch is one caller's, under heavy load it fills by itself, and nobody waits on a timer.
`serving.batching` has two of these.

Uploads go before bulk (`serving.urgency`), and never share a batch with it. Bulk that has waited for `AGED_S` counts as
an upload, so that it is served at last however many uploads come. Who would still wait in line when the deadline
passes, by the pace of the last batches, is refused at once instead.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from serving.deadline import Deadline
from serving.errors import DeadlineExceeded, Overloaded
from serving.pace import Pace, until_free
from serving.urgency import is_bulk
from vision.errors import ModelError

log = logging.getLogger(__name__)

Crops = Sequence[NDArray[np.uint8]]

AGED_S = 2.0
"""After so long in line bulk goes with the uploads, in the order of arrival."""


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
    error: BaseException | None


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
        self._waiting: deque[_Job] = deque()  # in the order of arrival
        self._paces: dict[Work, Pace] = {}
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
            Overloaded: too many callers are waiting, or for longer than the deadline leaves.
            DeadlineExceeded: the deadline passed first; the work is dropped if it has not begun.
            ModelError: there are not as many answers as crops; and whatever the work raises.

        """
        ticket = self._observer.ticket() if self._observer is not None else None
        job = _Job(work, crops, bulk=is_bulk(), ticket=ticket)
        with self._changed:
            if self._closed:
                raise Overloaded("the service is shutting down", retry_after_s=1.0)
            self._check_line(job, deadline)
            self._waiting.append(job)
            self._changed.notify()
        wait([job.result], deadline.remaining)
        if job.result.done():
            return job.result.result()
        self._give_up(job)
        raise DeadlineExceeded(f"the deadline passed while waiting for {work.name}; nothing was recorded")

    def close(self) -> None:
        """Finish what is queued, then end the owner's thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._owner.join()

    def _check_line(self, job: _Job, deadline: Deadline) -> None:
        """Refuse a job for which there is no room, or no time, saying when the line will be done."""
        if len(self._waiting) >= self._max_waiting:
            wait_s = self._seconds_of(self._waiting)
            raise Overloaded(
                f"{self._max_waiting} requests wait for the {self.name} already",
                retry_after_s=until_free(wait_s),
            )
        now = time.monotonic()
        ahead_s = self._seconds_of(each for each in self._waiting if each.rank(now) <= job.rank(now))
        remaining = deadline.remaining
        if remaining is not None and ahead_s > remaining:
            raise Overloaded(
                f"the work in line for the {self.name} takes about {ahead_s:.1f} s, "
                f"and the deadline leaves {remaining:.1f} s; nothing was recorded",
                retry_after_s=until_free(ahead_s),
            )

    def _seconds_of(self, jobs: Iterable[_Job]) -> float:
        """Estimate how long jobs will take, by what the last ones of their kinds took."""
        return sum(self._paces[job.work].seconds_for(len(job.crops)) for job in jobs if job.work in self._paces)

    def _give_up(self, job: _Job) -> None:
        """Free the place of a caller who left, so that the queue holds only those who still wait."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def _run(self) -> None:
        while batch := self._next_batch():
            began = time.perf_counter()
            error = _run_batch(batch)
            took_s = time.perf_counter() - began
            with self._changed:
                self._paces.setdefault(batch[0].work, Pace()).note(took_s, sum(len(job.crops) for job in batch))
            if self._observer is not None:
                self._tell(self._observer, batch, began, error)

    def _tell(self, observer: LaneObserver, batch: Sequence[_Job], began: float, error: BaseException | None) -> None:
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
        """Wait for work and take as many whole jobs like the first in line as fit; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return []
            now = time.perf_counter()
            first = min(self._waiting, key=lambda job: job.rank(now))  # of equals the one that came first
            batch, size = [first], len(first.crops)
            for job in self._waiting:
                fits = size + len(job.crops) <= self._max_crops
                if job is not first and job.work is first.work and job.bulk == first.bulk and fits:
                    batch.append(job)
                    size += len(job.crops)
            taken = set(batch)
            self._waiting = deque(job for job in self._waiting if job not in taken)
            return batch


class _Job:
    def __init__(self, work: Work, crops: Crops, *, bulk: bool, ticket: object) -> None:
        self.work = work
        self.crops = crops
        self.bulk = bulk
        self.ticket = ticket
        self.queued = time.perf_counter()
        self.result: Future[Sequence[Any]] = Future()

    def rank(self, now: float) -> int:
        """Say who goes first, the lowest: bulk stands back until it has aged."""
        return int(self.bulk and now - self.queued < AGED_S)


def _run_batch(batch: Sequence[_Job]) -> BaseException | None:
    """Answer the jobs of a batch; say what they failed with, if they did."""
    crops = [crop for job in batch for crop in job.crops]
    try:
        answers = batch[0].work.do(crops)
        if len(answers) != len(crops):  # slices of it would go to the wrong callers
            raise ModelError(f"{batch[0].work.name} gave {len(answers)} answers for {len(crops)} crops")
    except BaseException as error:  # noqa: BLE001 - the owner must outlive any failure; each caller gets it
        for job in batch:
            job.result.set_exception(error)
        return error
    start = 0
    for job in batch:
        job.result.set_result(answers[start : start + len(job.crops)])
        start += len(job.crops)
    return None
