"""How do many requests share one device? Micro-batches: one owner thread embeds what all callers have waiting.

The owner takes whatever is queued when it becomes free, up to `max_crops`; under light load a batch is one listing,
under heavy load it fills by itself, and nobody waits on a timer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serving.deadline import NEVER, Deadline
from serving.errors import DeadlineExceeded, Overloaded
from vision.embedder import Embedder
from vision.errors import ModelError

Crops = Sequence[NDArray[np.uint8]]
Vectors = NDArray[np.float32]


class BatchingEmbedder:
    """The one owner of an embedder. Thread-safe; close it (or use it as a context manager) to end its thread."""

    def __init__(self, embedder: Embedder, *, max_crops: int = 64, max_waiting: int = 256) -> None:
        self._embedder = embedder
        self._max_crops = max_crops
        self._max_waiting = max_waiting
        self._waiting: deque[_Job] = deque()
        self._closed = False
        self._changed = threading.Condition()
        self._owner = threading.Thread(target=self._run, name="embedder-owner", daemon=True)
        self._owner.start()

    @property
    def fingerprint(self) -> str:
        """Name of the embedding space, as `Embedder.fingerprint`."""
        return self._embedder.fingerprint

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._embedder.dim

    def embed(self, crops: Crops, *, deadline: Deadline = NEVER) -> Vectors:
        """Embed uint8 [H, W, 3] crops of any sizes: float32 [n, dim] unit rows.

        Raises:
            Overloaded: too many callers are waiting.
            DeadlineExceeded: the deadline passed first; the work is dropped if it has not begun.
            ModelError: from the embedder.

        """
        if not crops:
            return np.empty((0, self.dim), np.float32)
        job = _Job(crops)
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
        """Finish what is queued, then end the owner thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._owner.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _give_up(self, job: _Job) -> None:
        """Free the place of a caller who left, so that the queue holds only those who still wait."""
        with self._changed:
            if job in self._waiting:
                self._waiting.remove(job)

    def _run(self) -> None:
        while batch := self._next_batch():
            self._embed(batch)

    def _next_batch(self) -> list[_Job]:
        """Wait for work and take as many whole jobs as fit; empty when closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            batch: list[_Job] = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0].crops) <= self._max_crops):
                batch.append(self._waiting.popleft())
                size += len(batch[-1].crops)
            return batch

    def _embed(self, batch: list[_Job]) -> None:
        crops = [crop for job in batch for crop in job.crops]
        try:
            vectors = self._embedder.embed(crops)
            if len(vectors) != len(crops):  # slices of it would go to the wrong callers
                raise ModelError(f"{self.fingerprint} gave {len(vectors)} vectors for {len(crops)} crops")
        except Exception as error:  # noqa: BLE001 - the owner must outlive any failure; each caller gets it
            for job in batch:
                job.result.set_exception(error)
            return
        start = 0
        for job in batch:
            job.result.set_result(vectors[start : start + len(job.crops)])
            start += len(job.crops)


class _Job:
    def __init__(self, crops: Crops) -> None:
        self.crops = crops
        self.result: Future[Vectors] = Future()
