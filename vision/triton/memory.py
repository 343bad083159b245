"""How do pictures reach a server on the same machine without being copied through a socket? In shared memory.

POSIX shared memory with a name that nobody can guess. The server maps it when it is told of it, and then the name goes
away: nobody else finds it, and nothing stays behind where a process is killed.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from multiprocessing.shared_memory import SharedMemory
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


class UnknownHere(Exception):
    """The server cannot see memory of this machine, or there is none to be had."""


class SharedRegion:
    """Memory that this process and the server share: the question first, the answer behind it."""

    def __init__(self, memory: SharedMemory) -> None:
        self._memory = memory

    @classmethod
    def register(cls, client: Any, size: int) -> Self:
        """Make a region of `size` bytes and tell the server. Raises UnknownHere, and whatever the way there raises."""
        from tritonclient.utils import InferenceServerException

        try:
            memory = SharedMemory(f"touchstone-{secrets.token_hex(16)}", create=True, size=size)
        except OSError as error:
            raise UnknownHere(f"no shared memory of {size} bytes: {error}") from error
        try:
            client.register_system_shared_memory(memory.name, f"/{memory.name}", size)
        except InferenceServerException as error:
            memory.close()
            if str(error.status()).endswith(("UNAVAILABLE", "DEADLINE_EXCEEDED")):
                raise
            raise UnknownHere(error.message()) from error
        finally:
            memory.unlink()
        return cls(memory)

    @property
    def size(self) -> int:
        """Bytes that there are."""
        return self._memory.size

    def ask(self, asked: Any, pictures: NDArray[np.uint8]) -> None:
        """Put `pictures` at the beginning and let the question name them."""
        self._view(pictures.shape, np.uint8, 0)[...] = pictures
        asked.set_shared_memory(self._memory.name, pictures.nbytes)

    def answer(self, answer: Any, *, offset: int, size: int) -> None:
        """Let the answer go to `size` bytes from `offset` on."""
        answer.set_shared_memory(self._memory.name, size, offset)

    def read(self, shape: tuple[int, ...], dtype: type[np.generic], *, offset: int) -> NDArray[Any]:
        """Copy an array of `shape` from `offset` on."""
        return np.array(self._view(shape, dtype, offset))

    def close(self, client: Any) -> None:
        """Let go of it, and let the server do so, if it can be reached."""
        from tritonclient.utils import InferenceServerException

        with suppress(InferenceServerException):
            client.unregister_system_shared_memory(self._memory.name, client_timeout=1.0)
        self._memory.close()

    def _view(self, shape: tuple[int, ...], dtype: type[np.generic], offset: int) -> NDArray[Any]:
        return np.ndarray(shape, dtype, self._memory.buf, offset)
