"""Where do decisions wait that the store could not take? In a file of this process, each known by id, key and listing.

Files lie in `data_dir`/spool, one for each process that ever had to keep something; what a process left behind that is
gone, the next one takes up. `serving.outage.draining` records what waits here, oldest first.
"""

from __future__ import annotations

import itertools
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from index.decision_records import DecisionRecord
from index.errors import KeyReused
from serving.errors import NotKept
from serving.outage.set_aside import SetAside
from serving.outage.spool_file import SUFFIX, SpoolFile
from serving.outage.spooled import from_line, to_line
from serving.outage.waiting import Waiting
from serving.recording import Recording

log = logging.getLogger(__name__)

# How far is looked for decisions of other listings, for each one wanted.
_LOOKED_AT = 16


class Spool:
    """Decisions on disk, at most `most_bytes` of them, 0 for none. Thread-safe; close it when nobody records any more.

    What other processes left is there once `adopt` was called.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._own: SpoolFile | None = None
        self._adopted: list[SpoolFile] = []
        self._waiting: dict[str, Waiting] = {}
        self._keys: dict[str, str] = {}
        self._listings: Counter[str] = Counter()
        self._appending = 0
        self.set_aside = SetAside(folder)
        self.arrived = threading.Event()

    def __len__(self) -> int:
        """Count what waits."""
        return len(self._waiting)

    @property
    def oldest(self) -> datetime | None:
        """When the decision that waits longest was taken, None while none waits."""
        with self._lock:
            return min((waiting.create_time for waiting in self._waiting.values()), default=None)

    @property
    def size(self) -> int:
        """Bytes that its files take."""
        with self._lock:
            return self._size()

    def put(self, recording: Recording) -> DecisionRecord:
        """Keep a decision, and return it once it is on disk; the one that waits under the same key goes before it.

        Raises:
            KeyReused: what waits under the key is another request's.
            NotKept: the spool is full, or cannot be written.

        """
        text, record = to_line(recording), recording.record
        with self._lock:
            if (earlier := self._of_key(record.idempotency_key, record.request_sha256)) is not None:
                return earlier.recording().record
            if self._size() + len(text) > self._most_bytes:
                raise NotKept(f"{self.folder}: {self._size()} bytes of decisions wait for the store; no more fit in")
            file = self._opened()
            self._appending += 1
        span = None
        try:
            span = file.append(text)
        except OSError as error:
            raise NotKept(f"{self.folder}: a decision cannot be kept: {error.strerror}") from error
        finally:
            with self._lock:
                self._appending -= 1
                if span is not None:
                    self._add(Waiting.of(record, file, span))
        self.arrived.set()
        return record

    def of_key(self, key: str, request_sha256: str) -> DecisionRecord | None:
        """Return the decision that waits under an idempotency key. Raises KeyReused when it is another request's."""
        with self._lock:
            found = self._of_key(key, request_sha256)
            return found.recording().record if found is not None else None

    def of_id(self, decision_id: str) -> DecisionRecord | None:
        """Return a decision that waits."""
        with self._lock:
            found = self._waiting.get(decision_id)
            return found.recording().record if found is not None else None

    def holds(self, listing_id: str) -> bool:
        """Tell whether a decision on a listing waits: a newer one must not go before it."""
        return self._listings[listing_id] > 0

    def first(self, most: int) -> list[Waiting]:
        """Return what has waited longest, no two of one listing: later ones wait for the earlier. They stay."""
        found: dict[str, Waiting] = {}
        with self._lock:
            for waiting in itertools.islice(self._waiting.values(), _LOOKED_AT * most):
                found.setdefault(waiting.listing_id, waiting)
                if len(found) == most:
                    break
        return list(found.values())

    def done(self, waiting: Waiting) -> None:
        """Let go of what is on record now."""
        with self._lock:
            self._drop(waiting)

    def refuse(self, waiting: Waiting, why: str) -> None:
        """Put aside what cannot be recorded, for an operator to look at. Raises OSError."""
        with self._lock:
            path = self.set_aside.keep(waiting.decision_id, waiting.file.read(waiting.span))
            log.error("the decision %s cannot be recorded and lies in %s: %s", waiting.decision_id, path, why)
            self._drop(waiting)

    def adopt(self) -> int:
        """Take up what processes left that are gone; return how many decisions. Others that run keep theirs."""
        taken_up = 0
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            with self._lock:
                if all(path != mine.path for mine in self._files()):
                    taken_up += self._take_up(path)
        if taken_up:
            log.warning("%d decisions of an earlier process wait for the store", taken_up)
            self.arrived.set()
        return taken_up

    def close(self) -> None:
        """Close the files; one with nothing in it goes."""
        with self._lock:
            for file in self._files():
                file.close(remove=file.size == 0)
            self._own, self._adopted = None, []

    def _take_up(self, path: Path) -> int:
        try:
            file = SpoolFile(path)
            try:
                found = list(self._readable(file))
            except OSError:
                file.close()
                raise
        except BlockingIOError:
            return 0  # of a process that runs
        except OSError as error:  # nothing of it is lost: it is tried again
            log.error("%s cannot be taken up yet: %s", path, error)
            return 0
        self._adopted.append(file)
        before = len(self._waiting)
        for waiting in found:
            self._add(waiting)
        taken_up = len(self._waiting) - before
        self._tidy()
        return taken_up

    def _readable(self, file: SpoolFile) -> Iterator[Waiting]:
        """Find the decisions in a file, and set aside whatever is none. Raises OSError."""

        def damaged(start: int, line: bytes) -> None:
            kept = self.set_aside.keep_damaged(f"{file.path.stem}-{start}", line)
            log.error("%s: the line at byte %d is damaged, and lies in %s", file.path, start, kept)

        for span in file.recover(damaged):
            text = file.read(span)
            try:
                record = from_line(text).record
            except ValueError as error:
                kept = self.set_aside.keep(f"{file.path.stem}-{span.start}", text)
                log.error(
                    "%s: the line at byte %d cannot be used, and lies in %s: %s", file.path, span.start, kept, error
                )
            else:
                yield Waiting.of(record, file, span)

    def _add(self, waiting: Waiting) -> None:
        self._waiting[waiting.decision_id] = waiting
        self._listings[waiting.listing_id] += 1
        if waiting.key is not None:
            self._keys[waiting.key] = waiting.decision_id

    def _drop(self, waiting: Waiting) -> None:
        if self._waiting.pop(waiting.decision_id, None) is None:
            return
        self._listings -= Counter([waiting.listing_id])
        if waiting.key is not None and self._keys.get(waiting.key) == waiting.decision_id:
            del self._keys[waiting.key]
        self._tidy()

    def _tidy(self) -> None:
        """Let go of files of which nothing waits."""
        used = {id(waiting.file) for waiting in self._waiting.values()} if self._adopted else set()
        for file in [file for file in self._adopted if id(file) not in used]:
            self._adopted.remove(file)
            file.close(remove=True)
        if not self._waiting and not self._appending and self._own is not None and self._own.size:
            self._own.clear()

    def _of_key(self, key: str | None, request_sha256: str) -> Waiting | None:
        found = self._waiting.get(self._keys.get(key, "")) if key is not None else None
        if found is not None and found.request_sha256 != request_sha256:
            raise KeyReused(
                f"The idempotency key {key!r} was used for another request (decision {found.decision_id!r})."
            )
        return found

    def _opened(self) -> SpoolFile:
        if self._own is None:
            try:
                self._own = SpoolFile(self.folder / f"{uuid.uuid4().hex}{SUFFIX}")
            except OSError as error:
                raise NotKept(f"{self.folder}: a decision cannot be kept: {error.strerror}") from error
        return self._own

    def _files(self) -> Iterator[SpoolFile]:
        yield from self._adopted
        if self._own is not None:
            yield self._own

    def _size(self) -> int:
        return sum(file.size for file in self._files())
