"""How do files and pixels pass between the service and a decode worker? Memory that both map, and its one convention.

The service writes the encoded file to the start of the memory, the worker its pixels over it. Neither side keeps what
stands there: the worker copies the file before it decodes, the service the pixels before it asks for the next image.
"""

from __future__ import annotations

import fcntl
import mmap
import os

CAPACITY = 64 * 2**20
"""Bytes: a file of 25 MiB, or the 4,096 x 4,096 pixels of 3 bytes that are the most that pages show."""

# Pages beyond are given back after an image, so that one large one does not cost memory for good.
_KEPT = 8 * 2**20


def available() -> bool:
    """Tell whether this system has memory that can be shared by descriptor and sealed; Linux has."""
    return hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")


def allocate() -> int:
    """Make the memory, of `CAPACITY` bytes for good, and return its descriptor.

    The size is sealed: if a worker in an attacker's hands could cut it, the service would die by SIGBUS as it reads.
    """
    descriptor = os.memfd_create("touchstone-decode", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, CAPACITY)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


def mapped(descriptor: int) -> mmap.mmap:
    """Map the memory, which costs nothing until it is written to."""
    return mmap.mmap(descriptor, CAPACITY)


def trim(memory: mmap.mmap, *, used: int) -> None:
    """Give back what only large images need, after one that used so many bytes."""
    if used > _KEPT:
        memory.madvise(mmap.MADV_REMOVE, _KEPT, CAPACITY - _KEPT)
