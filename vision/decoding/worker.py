"""How is one process kept that decodes? Started, asked, and killed when it hangs: the service's side of a worker.

Whatever an image does to the process, the service learns of it as `WorkerLost` and goes on. Not thread-safe: one thread
has a worker at a time (`vision.decoding.pool`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.decode import DecodeLimits, Image
from vision.decoding import shared
from vision.decoding.child import READY, STARVED
from vision.errors import ImageError, ImageFault

CHILD = Path(__file__).with_name("child.py")

START_S = 30.0
"""Seconds until a new process must be ready; on a busy machine its imports take one or two."""

_LONGEST_ANSWER = 64 * 2**10
_END_S = 1.0
_PATIENCE = struct.pack("ll", 2, 0)  # a C timeval: seconds and microseconds
# One thread of linear algebra and one heap, since every thread reserves address space, which is limited. Memory that
# an image frees is kept for the next one: with glibc's own rules the page faults made decoding 1.2 to 2.5 times slower.
_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}


@dataclass(frozen=True)
class Allowance:
    """What one image may cost: bytes of address space beside the worker's own, and seconds of a processor.

    An answer must be there within `clock_s`, too, for a worker may hang without working; it is several times as much,
    for on a busy machine one that works may wait.
    """

    memory_bytes: int = 2 * 2**30
    processor_s: int = 15
    clock_s: float = 60.0


class WorkerLost(Exception):
    """The process is gone, or must go. `why` says what became of it, None if it never began with the image."""

    def __init__(self, why: str | None) -> None:
        super().__init__(why)
        self.why = why


class Worker:
    """One process. `end` or `kill` it: either waits, so that no zombie stays."""

    def __init__(self, allowance: Allowance, child: Path = CHILD) -> None:
        """Start the process; it gets ready by itself. Raises OSError when there is no room for it."""
        self._allowance = allowance
        self._started = time.monotonic()
        self._ready = False
        memory = shared.allocate()
        ours, theirs = socket.socketpair()
        # Half a message, from a worker in an attacker's hands, must not be waited for.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _PATIENCE)
        try:
            self._memory = shared.mapped(memory)
            descriptors = (theirs.fileno(), memory)
            limits = (allowance.memory_bytes, allowance.processor_s)
            # No environment of the service's: what a worker could leak, it does not have. In a session of its own,
            # Ctrl-C reaches the service alone, which then ends its workers.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", str(child), *map(str, (*descriptors, *limits))],
                env=_ENVIRONMENT,
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._connection: Connection[bytes, bytes] = Connection(ours.detach())
        finally:
            os.close(memory)
            theirs.close()
            ours.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def decode(self, data: bytes, limits: DecodeLimits) -> Image:
        """Decode one image, as `vision.decode.decode` does; file and pixels must fit the shared memory.

        Raises:
            ImageError: from the decoder.
            WorkerLost: there is no answer; kill the worker.

        """
        self._await_ready()
        self._memory.seek(0)
        self._memory.write(data)
        try:
            self._connection.send_bytes(json.dumps({"bytes": len(data), "limits": asdict(limits)}).encode())
        except OSError:
            raise WorkerLost(None) from None
        answer = self._answer()
        if STARVED in answer:
            raise WorkerLost(f"took more than {self._allowance.memory_bytes // 2**20:,} MiB of memory")
        if "fault" in answer:
            shared.trim(self._memory, used=len(data))
            raise _refused(answer)
        image = self._image(answer, limits)
        shared.trim(self._memory, used=max(len(data), image.pixels.nbytes))
        return image

    def _await_ready(self) -> None:
        """Wait for a new process to be ready."""
        if self._ready:
            return
        left = self._started + START_S - time.monotonic()
        try:
            self._ready = self._connection.poll(max(0.0, left)) and self._connection.recv_bytes(len(READY)) == READY
        except (EOFError, OSError):
            self._ready = False
        if not self._ready:
            raise WorkerLost(None)

    def _answer(self) -> Mapping[str, Any]:
        try:
            if not self._connection.poll(self._allowance.clock_s):
                raise WorkerLost(f"took longer than {self._allowance.clock_s:g} s")
            answer = json.loads(self._connection.recv_bytes(_LONGEST_ANSWER))
        except (EOFError, OSError):
            raise WorkerLost(self._obituary()) from None
        except ValueError as error:
            raise WorkerLost(f"answered what is no answer ({error})") from error
        if not isinstance(answer, dict):
            raise WorkerLost("answered what is no answer")
        return answer

    def _image(self, answer: Mapping[str, Any], limits: DecodeLimits) -> Image:
        """Take the pixels out of the shared memory. An attacker may have written the answer: it is not believed."""
        try:
            height, width = map(int, answer["shape"])
            if not 1 <= min(height, width) <= max(height, width) <= limits.working_edge:
                raise ValueError(f"pixels of {width} x {height}")
            flat: NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8, height * width * 3)
            pixels = flat.reshape(height, width, 3).copy()
            del flat  # a view keeps the memory from being closed
            return Image(
                pixels, int(answer["width"]), int(answer["height"]), str(answer["format"]), str(answer["sha256"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise WorkerLost(f"answered what is no image ({error})") from error

    def _obituary(self) -> str:
        """Say what a process died of."""
        try:
            code = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "stopped answering"
        if code == -signal.SIGXCPU:
            return f"took more than {self._allowance.processor_s} s of a processor"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def end(self) -> None:
        """Let the process end by itself, and kill it if it does not."""
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        self.kill()

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
        self._memory.close()

    def interrupt(self) -> None:
        """End the process from another thread; the one that uses it learns of it."""
        self._process.kill()


def _refused(answer: Mapping[str, Any]) -> ImageError:
    try:
        return ImageError(ImageFault(answer["fault"]), str(answer["message"]))
    except (KeyError, ValueError) as error:
        raise WorkerLost(f"answered what is no fault ({error})") from error
