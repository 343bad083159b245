"""How is a file written so that a power cut leaves it whole or absent, and how is it known again? Small helpers."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def write_file(file: Path, content: bytes) -> None:
    """Write a file, and return once it is on disk."""
    with file.open("wb") as stream:
        stream.write(content)
    sync_file(file)


def sync_file(file: Path) -> None:
    """Return once a file's content is on disk."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_directory(path: Path) -> None:
    """Make renames within a directory survive a power failure."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(file: Path) -> str:
    """Digest a file, about 0.6 GiB/s."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
