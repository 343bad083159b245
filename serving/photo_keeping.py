"""How do photos reach the blob store before anybody is asked to look at them? On threads of their own, within bounds.

A photo is durable before the decision or report that it belongs to is on record, so that a case whose photos are said
to be kept has them. When that fails, or takes too long, the decision is recorded all the same and the photo is LOST: a
person decides without it, and knows. What was kept in vain is swept up by `touchstone blobs collect`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import Self

from index.blobs import BlobStore
from index.photos import Photo, PhotoState
from serving.case_rules import CaseRules
from serving.deadline import NEVER, Deadline
from serving.settings import Settings

log = logging.getLogger(__name__)

# Writing waits for the disk or the network, not for the processor; more at once is of no use to one disk.
_THREADS = 8
# How long a decision waits for its photos, and which part of the time it has left.
_PATIENCE_S, _SHARE = 10.0, 0.5
# What may wait to be written, so that a blob store that hangs does not fill the memory. Four listings of the most.
_MOST_BYTES = 256 * 2**20

_LATE = "the blob store did not answer in time; look after it"


def retention(settings: Settings, rules: CaseRules) -> timedelta:
    """Return how long photos stay: never shorter than a takedown can be appealed against, unless none are kept."""
    days = settings.photo_retention_days
    return timedelta(days=max(days, rules.appeal_days) if days else 0)


class PhotoKeeper:
    """Keeps photos; a context manager. Any number of threads may use it at once.

    Without `enabled` (a retention of 0 days) nothing is kept.
    """

    def __init__(
        self,
        blobs: BlobStore,
        *,
        enabled: bool = True,
        patience_s: float = _PATIENCE_S,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._blobs = blobs
        self._enabled = enabled
        self._patience_s = patience_s
        self._room = most_bytes
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="photos")

    @classmethod
    def of(cls, settings: Settings, blobs: BlobStore) -> Self:
        """Keep photos in `blobs` unless the settings say for no day."""
        return cls(blobs, enabled=settings.photo_retention_days > 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What hangs in a request to a bucket ends by that request's own timeout.
        self._threads.shutdown(wait=False, cancel_futures=True)

    def keep(self, photos: Sequence[Photo], files: Sequence[bytes], *, deadline: Deadline = NEVER) -> tuple[Photo, ...]:
        """Keep the file of each photo, which is at its `position` in `files`; return the photos as they are then.

        Returns when all are durable, or after half of the time that is left at most. Never raises for want of a blob
        store: a photo that is not kept is LOST, and the log says why.
        """
        if not self._enabled or not photos:
            return ()
        abandoned = threading.Event()
        writing = {
            photo.sha256: self._put(files[photo.position], abandoned)
            for photo in {p.sha256: p for p in photos}.values()
        }
        left = deadline.remaining
        wait(
            [future for future in writing.values() if future is not None],
            timeout=self._patience_s if left is None else min(self._patience_s, left * _SHARE),
        )
        abandoned.set()
        faults = {sha256: _fault(future) for sha256, future in writing.items()}
        for sha256, fault in faults.items():
            if fault:
                owner = photos[0]
                log.warning("a photo (%s) of the %s %s is not kept: %s", sha256, owner.owner, owner.owner_id, fault)
        return tuple(replace(photo, state=PhotoState.LOST) if faults[photo.sha256] else photo for photo in photos)

    def _put(self, content: bytes, abandoned: threading.Event) -> Future[str] | None:
        """Begin to write a file, whose digest is the result, or "" if nobody waits any more; None without room."""
        with self._lock:
            if len(content) > self._room:
                return None
            self._room -= len(content)

        def put() -> str:
            try:
                return "" if abandoned.is_set() else self._blobs.put(content)
            finally:
                with self._lock:
                    self._room += len(content)

        return self._threads.submit(put)


def _fault(writing: Future[str] | None) -> str:
    if writing is None:
        return "too much waits to be written already; look after the blob store"
    if not writing.done():
        return _LATE
    error = writing.exception()
    if error is not None:
        return f"{type(error).__name__}: {error}"
    return "" if writing.result() else _LATE
