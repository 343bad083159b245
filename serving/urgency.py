"""Who waits for this? Uploads wait for an answer; previews, searches of the catalogue and scans may stand back.

What runs inside `in_bulk` is bulk to whatever serves one at a time (`serving.lane`). It is said where bulk work begins,
and reaches the lanes on the same thread without passing through every call between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BULK: ContextVar[bool] = ContextVar("bulk", default=False)


def is_bulk() -> bool:
    """Whether this thread does bulk work at the moment."""
    return _BULK.get()


@contextmanager
def in_bulk() -> Iterator[None]:
    """Let uploads go before what this thread does in the block."""
    token = _BULK.set(True)
    try:
        yield
    finally:
        _BULK.reset(token)
