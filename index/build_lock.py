"""Who builds? One process at a time: the one that holds the lock, which is free as soon as that process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from index.errors import SnapshotError

_LOCK = "BUILDING"


@contextmanager
def building(directory: Path) -> Iterator[bool]:
    """Hold the lock of the index in `directory` while the block runs, or say at once that another process does.

    Raises SnapshotError when the folder cannot be written, or lies on a file system without locks.
    """
    file = directory / _LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SnapshotError(f"No snapshot can be written to {directory} ({error}): make it writable.") from error
    try:
        yield _locked(handle)
    finally:
        os.close(handle)  # which unlocks it


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise SnapshotError(f"No snapshot can be built: no file can be locked there ({error}).") from error
    return True
