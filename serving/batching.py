"""How do many requests share one device? Micro-batches: one owner thread does for all callers what they have waiting.

Two lanes (`serving.lane`): the networks that see, on the device, do one kind of work at a time: to embed, to embed
marks, or to find them. The reader, whose networks run on the processor wherever the others are, has an owner of its
own: a crop takes it milliseconds, and would wait for seconds behind a scan's batches.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from serving.deadline import NEVER, Deadline
from serving.lane import Crops, Lane, LaneObserver, Work
from serving.steadying import steady
from vision.embedder import Embedder
from vision.finder import Finder, GridFinder
from vision.reading import BlindReader, Reader, Words
from vision.regions import Region

Vectors = NDArray[np.float32]


class BatchingEmbedder:
    """The one owner of an embedder, a finder (without one `GridFinder`) and a reader (`BlindReader`). Thread-safe.

    With `exactly`, embedder and finder see batches of that many crops and no other: see `serving.steadying`.
    Close it, or use it as a context manager, to end its threads.
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
        observer: LaneObserver | None = None,
    ) -> None:
        self._embedder = embedder
        self._finder: Finder = finder or GridFinder()
        self._reader: Reader = reader or BlindReader()
        self._wholes = Work(embedder.fingerprint, steady(embedder.embed, exactly))
        self._marks = Work(f"{embedder.fingerprint} for marks", steady(embedder.embed_marks, exactly))
        self._finding = Work("the finder", steady(self._finder.find, exactly))
        self._reading = Work("the reader", self._reader.read)
        self._rounding = Work("the reader of rims", self._reader.read_rims)
        self._paging = Work("the reader of whole photos", self._reader.read_pages)
        self._seeing = Lane("embedder", max_crops=max_crops, max_waiting=max_waiting, observer=observer)
        self._spelling = Lane("reader", max_crops=max_crops, max_waiting=max_waiting, observer=observer)

    @property
    def fingerprint(self) -> str:
        """Name of the embedding space, as `Embedder.fingerprint`."""
        return self._embedder.fingerprint

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._embedder.dim

    @property
    def waiting(self) -> dict[str, int]:
        """How many callers wait in each lane, by its name."""
        return {lane.name: lane.waiting for lane in (self._seeing, self._spelling)}

    @property
    def forwards(self) -> float:
        """Whole-image forwards done so far, for all callers together, as `Embedder.forwards`."""
        return self._embedder.forwards + self._finder.forwards + self._reader.forwards

    def embed(self, crops: Crops, *, deadline: Deadline = NEVER) -> Vectors:
        """Embed uint8 [H, W, 3] crops of any sizes: float32 [n, dim] unit rows.

        Raises:
            Overloaded: too many callers are waiting, or for longer than the deadline leaves.
            DeadlineExceeded: the deadline passed first; the work is dropped if it has not begun.
            ModelError: from the embedder.

        """
        return self._embed(self._wholes, crops, deadline)

    def embed_marks(self, crops: Crops, *, deadline: Deadline = NEVER) -> Vectors:
        """Embed crops of marks, as `Embedder.embed_marks`. Raises as `embed` does."""
        return self._embed(self._marks, crops, deadline)

    def find(self, photos: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Region, ...]]:
        """Name the regions of each photo, uint8 [H, W, 3], that may show a mark. Raises as `embed` does."""
        return list(self._seeing.do(self._finding, photos, deadline)) if photos else []

    def read(self, crops: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Words, ...]]:
        """Read the lines of each crop, uint8 [H, W, 3], largest first. Raises as `embed` does."""
        return list(self._spelling.do(self._reading, crops, deadline)) if crops else []

    def read_rims(self, rims: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Words, ...]]:
        """Read the lines of each rim, uint8 [h, w, 3], laid flat by `vision.roundels`. Raises as `embed` does."""
        return list(self._spelling.do(self._rounding, rims, deadline)) if rims else []

    def read_pages(self, photos: Crops, *, deadline: Deadline = NEVER) -> list[tuple[Words, ...]]:
        """Read all that is written in each photo, uint8 [H, W, 3], largest lines first. Raises as `embed` does."""
        return list(self._spelling.do(self._paging, photos, deadline)) if photos else []

    def _embed(self, work: Work, crops: Crops, deadline: Deadline) -> Vectors:
        if not crops:
            return np.empty((0, self.dim), np.float32)
        return np.asarray(self._seeing.do(work, crops, deadline), np.float32)

    def close(self) -> None:
        """Finish what is queued, then end the owners' threads."""
        self._seeing.close()
        self._spelling.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
