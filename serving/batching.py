"""How do many requests share one device? Micro-batches: one owner thread does for all callers what they have waiting.

The owner takes whatever is queued when it becomes free, up to `max_crops` of one kind of work: to embed, to embed
marks, to find them, to read them, or to read whole photos. Under light load a batch is one listing, under heavy load it
fills by itself, and nobody waits on a timer.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from serving.deadline import NEVER, Deadline
from serving.errors import DeadlineExceeded, Overloaded
from serving.steadying import steady
from vision.embedder import Embedder
from vision.errors import ModelError
from vision.finder import Finder, GridFinder
from vision.reading import BlindReader, Reader, Words
from vision.regions import Region

Crops = Sequence[NDArray[np.uint8]]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Work:
    """A kind of job, equal to itself alone: `do` gives an answer for each crop in order: an array's rows, or a list."""

    name: str
    do: Callable[[Crops], Any]


class BatchingEmbedder:
    """The one owner of an embedder, a finder (without one `GridFinder`) and a reader (`BlindReader`). Thread-safe.

    With `exactly`, embedder and finder see batches of that many crops and no other: see `serving.steadying`.
    Close it, or use it as a context manager, to end its thread.
    """

    def __init__(
        self,
        embedder: Embedder,
        finder: Finder | None = None,
        reader: Reader | None = None,
        *,
        max_crops: int = 64,
        max_waiting: int = 256,
        exactly: int | None = None,
    ) -> None:
        self._embedder = embedder
        self._finder: Finder = finder or GridFinder()
        self._reader: Reader = reader or BlindReader()
        self._wholes = _Work(embedder.fingerprint, steady(embedder.embed, exactly))
        self._marks = _Work(f"{embedder.fingerprint} for marks", steady(embedder.embed_marks, exactly))
        self._finding = _Work("the finder", steady(self._finder.find, exactly))
        self._reading = _Work("the reader", self._reader.read)
        self._paging = _Work("the reader of whole photos", self._reader.read_pages)
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

    @property
    def forwards(self) -> float:
        """Whole-image forwards done so far, for all callers together, as `Embedder.forwards`."""
        return self._embedder.forwards + self._finder.forwards + self._reader.forwards

    def embed(self, crops: Crops, *, deadline: Deadline = NEVER) -> Vectors:
        """Embed uint8 [H, W, 3] crops of any sizes: float32 [n, dim] unit rows.

        Raises:
            Overloaded: too many callers are waiting.
            DeadlineExceeded: the deadline passed first; the work is dropped if it has not begun.
            ModelError: from the embedder.

        """
        return self._embed(self._wholes, crops, deadline)

    def embed_marks(self, crops: Crops, *, deadline: Deadline = NEVER) -> Vectors:
        """Embed crops of marks, as `Embedder.embed_marks`. Raises as `embed` does."""
        return self._embed(self._marks, crops, deadline)

    def find(self, photos: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Region, ...]]:
        """Name the regions of each photo, uint8 [H, W, 3], that may show a mark. Raises as `embed` does."""
        return list(self._do(self._finding, photos, deadline)) if photos else []

    def read(self, crops: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Words, ...]]:
        """Read the lines of each crop, uint8 [H, W, 3], largest first. Raises as `embed` does."""
        return list(self._do(self._reading, crops, deadline)) if crops else []

    def read_pages(self, photos: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Words, ...]]:
        """Read all that is written in each photo, uint8 [H, W, 3], largest lines first. Raises as `embed` does."""
        return list(self._do(self._paging, photos, deadline)) if photos else []

    def _embed(self, work: _Work, crops: Crops, deadline: Deadline) -> Vectors:
        if not crops:
            return np.empty((0, self.dim), np.float32)
        return np.asarray(self._do(work, crops, deadline), np.float32)

    def _do(self, work: _Work, crops: Crops, deadline: Deadline) -> Sequence[Any]:
        job = _Job(work, crops)
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
            self._run_batch(batch)

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

    def _run_batch(self, batch: list[_Job]) -> None:
        crops = [crop for job in batch for crop in job.crops]
        try:
            answers = batch[0].work.do(crops)
            if len(answers) != len(crops):  # slices of it would go to the wrong callers
                raise ModelError(f"{batch[0].work.name} gave {len(answers)} answers for {len(crops)} crops")
        except Exception as error:  # noqa: BLE001 - the owner must outlive any failure; each caller gets it
            for job in batch:
                job.result.set_exception(error)
            return
        start = 0
        for job in batch:
            job.result.set_result(answers[start : start + len(job.crops)])
            start += len(job.crops)


class _Job:
    def __init__(self, work: _Work, crops: Crops) -> None:
        self.work = work
        self.crops = crops
        self.result: Future[Sequence[Any]] = Future()
