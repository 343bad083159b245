"""Who decodes the next image? A few processes, one image each at a time, replaced when an image costs one its life.

    pool.decode -> an idle Worker -> vision.decode in its process -> pixels through shared memory
                   lost: the image gets DECODER_FAILED, a new process takes the place

An image is never tried twice once a worker began with it: a hostile file costs one worker. One that finds its worker
dead already (killed by hand, or by the kernel for want of memory) is given to another.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from vision.decode import DecodeLimits, Image, decode
from vision.decoding.shared import CAPACITY
from vision.decoding.worker import Allowance, Worker, WorkerLost
from vision.errors import ImageError, ImageFault, NoDecoder

log = logging.getLogger(__name__)

_DEFAULT_LIMITS = DecodeLimits()
_DEFAULT_ALLOWANCE = Allowance()
# Dead or stillborn workers that one image may come upon.
_TRIES = 3


class DecodePool:
    """`size` workers. Any number of threads may decode; close it, which waits until no process is left."""

    def __init__(
        self, size: int, allowance: Allowance = _DEFAULT_ALLOWANCE, *, start: Callable[[Allowance], Worker] = Worker
    ) -> None:
        """Start the processes. Raises OSError when there is no room for them."""
        self._size = size
        self._allowance = allowance
        self._start = start
        self._changed = threading.Condition()
        self._closed = False
        self._idle: deque[Worker] = deque()
        self._workers: set[Worker] = set()
        self._lost = 0
        try:
            for _ in range(size):
                self._add()
        except OSError:
            self.close()
            raise

    @property
    def lost(self) -> int:
        """How many workers were lost so far."""
        return self._lost

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes' ids."""
        with self._changed:
            return tuple(worker.pid for worker in self._workers)

    def decode(self, data: bytes, limits: DecodeLimits = _DEFAULT_LIMITS, *, within_s: float | None = None) -> Image:
        """Decode one image, as `vision.decode.decode` does, waiting `within_s` seconds at most for a free worker.

        Raises:
            ImageError: from the decoder; with DECODER_FAILED it crashed, hung, or took too much memory or time.
            NoDecoder: no worker could begin with it: all are busy, none can be started, or the pool is closed.
            ValueError: file or pixels may be larger than the memory that passes them.

        """
        if max(limits.max_bytes, 3 * limits.working_edge**2) > CAPACITY:
            raise ValueError(f"workers decode within {CAPACITY:,} bytes, files and pixels alike; these are {limits}")
        if not 0 < len(data) <= limits.max_bytes:
            return decode(data, limits)  # which refuses it unread
        until = None if within_s is None else time.monotonic() + within_s
        for _ in range(_TRIES):
            worker = self._take(until)
            try:
                image = worker.decode(data, limits)
            except WorkerLost as loss:
                self._replace(worker, loss)
                if loss.why is not None and not self._closed:
                    raise _failed(loss.why) from loss
            except ImageError:
                self._give(worker)
                raise
            except BaseException:  # its answer may be on its way, and must not be taken for the next image's
                self._replace(worker, WorkerLost("was interrupted"))
                raise
            else:
                self._give(worker)
                return image
        raise NoDecoder(f"{_TRIES} decode workers in a row ended before they began with an image")

    def close(self) -> None:
        """End all processes: idle ones end, those at work are killed, and whoever waits for them gets NoDecoder."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, deque()
            self._workers.difference_update(idle)
            for worker in self._workers:
                worker.interrupt()
            self._changed.notify_all()
        for worker in idle:
            worker.end()
        with self._changed:
            self._changed.wait_for(lambda: not self._workers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _take(self, until: float | None) -> Worker:
        with self._changed:
            left = None if until is None else until - time.monotonic()
            if not self._closed and not self._idle and len(self._workers) < self._size:
                self._try_to_add()  # in place of one that could not be replaced when it was lost
            self._changed.wait_for(lambda: self._idle or self._closed or not self._workers, left)
            if self._idle:
                return self._idle.popleft()
            if self._closed:
                raise NoDecoder("the decode workers are shut down")
            raise NoDecoder("no decode worker was free in time" if self._workers else "no decode worker can be started")

    def _give(self, worker: Worker) -> None:
        with self._changed:
            if not self._closed:
                self._idle.append(worker)
                self._changed.notify()
                return
        self._bury(worker)

    def _replace(self, worker: Worker, loss: WorkerLost) -> None:
        """Bury a worker and start another one in its place."""
        log.warning("decode worker %d %s", worker.pid, loss.why or "was found dead")
        with self._changed:
            self._lost += 1
        self._bury(worker)
        with self._changed:
            if not self._closed:
                self._try_to_add()

    def _bury(self, worker: Worker) -> None:
        worker.kill()
        with self._changed:
            self._workers.discard(worker)
            self._changed.notify_all()

    def _try_to_add(self) -> None:
        try:
            self._add()
        except OSError:
            log.exception("no decode worker can be started; %d are left", len(self._workers))

    def _add(self) -> None:
        worker = self._start(self._allowance)
        with self._changed:
            self._workers.add(worker)
            self._idle.append(worker)
            self._changed.notify()


def _failed(why: str) -> ImageError:
    return ImageError(
        ImageFault.DECODER_FAILED, f"the process that decoded the file {why}; save the picture anew and upload that"
    )
