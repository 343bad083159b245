"""Whose turn is it to write to an SQLite file? Threads and processes that write soon after one another.

SQLite admits one writer and lets the others ask again after pauses that grow to 0.1 s, so that busy servers leave the
file idle most of the time: two of them could not record 40 decisions a second, and record 50 since they wait in a short
loop here before they ask. It is a courtesy: what keeps writers apart is SQLite's own lock.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

_ASK_AGAIN_S = 0.001


class FileTurn:
    """A context manager: inside, no other thread, nor a process that takes turns by the same file, is inside."""

    def __init__(self, file: Path, *, patience_s: float) -> None:
        """Take turns by `file`, which is made; after `patience_s` seconds go on all the same."""
        self._file = file
        self._patience_s = patience_s
        self._threads = threading.Lock()
        self._handle: int | None = None

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            self._wait()
        except OSError:
            pass  # a folder without locks: SQLite's own will do
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        try:
            if self._handle is not None:
                fcntl.flock(self._handle, fcntl.LOCK_UN)
        finally:
            self._threads.release()

    def close(self) -> None:
        """Let go of the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _wait(self) -> None:
        if self._handle is None:
            self._handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
        given_up = time.monotonic() + self._patience_s
        while time.monotonic() < given_up:
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_ASK_AGAIN_S)
            else:
                return
