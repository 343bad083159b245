"""What was verified a moment ago? Kept for a while, so that a slow check is not made for every request.

Keys are tokens; only a keyed digest of them is kept, under a key that this process drew, so that a memory dump does not
hold credentials and equal digests cannot be prepared.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """Remembers the `most` values noted last, each for a time. For one thread: the event loop's."""

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def get(self, token: str) -> T | None:
        """Return what was noted of a token, or None when nothing was or its time is over."""
        digest = self.digest(token)
        end, value = self._kept.get(digest, (0.0, None))
        if value is not None and self._clock() >= end:
            del self._kept[digest]
            return None
        return value

    def note(self, token: str, value: T, *, for_s: float) -> None:
        """Remember a value for so many seconds."""
        digest = self.digest(token)
        self._kept[digest] = (self._clock() + for_s, value)
        self._kept.move_to_end(digest)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def digest(self, token: str) -> bytes:
        """Return the name under which a token is kept: 32 bytes, different in each process."""
        return hashlib.blake2b(token.encode(errors="surrogatepass"), key=self._secret, digest_size=32).digest()
