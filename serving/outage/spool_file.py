"""How does a record reach the disk so that a power cut takes it whole or not at all? An append-only file, line by line.

Each line is the SHA-256 of its text, a space, and the text, which holds no line break. A line is there for its reader
once it is whole: what a crash tore off at the end is cut away when the file is opened again, and a line that was
damaged since is told to whoever takes the file up. Several writers share one fsync.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from index.durable import sync_directory

log = logging.getLogger(__name__)

_DIGEST = 64
SUFFIX = ".jsonl"


@dataclass(frozen=True)
class Span:
    """Where a line's text lies in its file, in bytes."""

    start: int
    length: int


class SpoolFile:
    """One file that this process alone writes and reads, by a lock that ends with it. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises BlockingIOError when another process has it, OSError."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._end = os.fstat(self._handle).st_size
            sync_directory(path.parent)
        except BaseException:
            os.close(self._handle)
            raise
        self._synced = self._end
        self._writing, self._syncing = threading.Lock(), threading.Lock()

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._end

    def append(self, text: bytes) -> Span:
        """Add a line, and return where its text lies once it is on disk. Raises OSError; nothing was added then."""
        line = hashlib.sha256(text).hexdigest().encode() + b" " + text + b"\n"
        with self._writing:
            start = self._end
            try:
                _write(self._handle, line, start)
            except OSError:
                os.ftruncate(self._handle, start)
                raise
            self._end = end = start + len(line)
        with self._syncing:
            if self._synced < end:  # or another writer's fsync was this one's, too
                reached = self._end
                os.fsync(self._handle)
                self._synced = reached
        return Span(start + _DIGEST + 1, len(text))

    def read(self, span: Span) -> bytes:
        """Read a line's text."""
        return os.pread(self._handle, span.length, span.start)

    def recover(self, damaged: Callable[[int, bytes], None]) -> Iterator[Span]:
        """Find the lines that are whole, oldest first; cut off a torn end. Before anything is appended.

        `damaged` is told of each line that is not what was written: where it begins, and its bytes.
        """
        with os.fdopen(os.dup(self._handle), "rb") as stream:
            stream.seek(0)
            start = 0
            for line in stream:
                if not line.endswith(b"\n"):
                    log.warning("%s: %d bytes of a line that was never finished are cut off", self.path, len(line))
                    os.ftruncate(self._handle, start)
                    self._end = self._synced = start
                    return
                text = text_of(line)
                if text is not None:
                    yield Span(start + _DIGEST + 1, len(text))
                else:
                    damaged(start, line)
                start += len(line)

    def clear(self) -> None:
        """Empty the file."""
        with self._writing, self._syncing:
            os.ftruncate(self._handle, 0)
            self._end = self._synced = 0

    def close(self, *, remove: bool = False) -> None:
        """Let go of the file, which is removed first if so wished."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


def text_of(line: bytes) -> bytes | None:
    """Return the text of a line that ends with a line break, None when it is not what was written."""
    text = line[_DIGEST + 1 : -1]
    return text if line[:_DIGEST].decode("latin-1") == hashlib.sha256(text).hexdigest() else None


def _write(handle: int, line: bytes, at: int) -> None:
    view = memoryview(line)
    while view:
        written = os.pwrite(handle, view, at)
        view, at = view[written:], at + written
