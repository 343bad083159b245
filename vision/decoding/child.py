"""What runs inside a decode worker: image after image, until the service closes the connection.

`vision.decoding.worker` runs this file with an interpreter of its own, which imports the decoder and nothing else of
the project. Arguments: the descriptors of the connection and the shared memory, bytes of memory, seconds of processor.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

READY = b"ready"
STARVED = "starved"


def main() -> None:
    """Decode until there is nothing more to decode."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    from vision.decoding import shared

    descriptor, shared_memory, memory_bytes, processor_s = map(int, sys.argv[1:])
    connection: Connection[bytes, bytes] = Connection(descriptor)
    memory = shared.mapped(shared_memory)
    _confine(memory_bytes)
    connection.send_bytes(READY)
    while True:
        try:
            request = connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            return
        _allow_time(processor_s)
        answer = _answer(json.loads(request), memory)
        try:
            connection.send_bytes(json.dumps(answer).encode())
        except BrokenPipeError:  # whoever asked is gone
            return


def _confine(memory_bytes: int) -> None:
    """Take from this process what no decoder needs: memory without end, files to write, a core to dump."""
    import vision.decode  # noqa: F401 - what it maps itself comes before the limit on what an image may take

    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    for limit, value in (
        (resource.RLIMIT_AS, own + memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(limit, (value, value))


def _allow_time(processor_s: int) -> None:
    """Have the kernel end this process, by SIGXCPU, should the next image take more time of a processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + processor_s
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _answer(request: dict[str, Any], memory: mmap.mmap) -> dict[str, Any]:
    """Decode the file in the shared memory, and put its pixels there."""
    from vision.decode import DecodeLimits, decode
    from vision.errors import ImageError

    try:
        image = decode(memory[: request["bytes"]], DecodeLimits(**request["limits"]))
    except ImageError as error:
        if isinstance(error.__cause__, MemoryError):
            return {STARVED: True}
        return {"fault": error.fault.value, "message": str(error)}
    memory.seek(0)
    memory.write(image.pixels.data.cast("B"))
    height, width = image.pixels.shape[:2]
    return {
        "shape": [height, width],
        "width": image.width,
        "height": image.height,
        "format": image.format,
        "sha256": image.sha256,
    }


if __name__ == "__main__":
    main()
    os._exit(0)  # nothing is left to tidy up, and interpreters that were starved may fail at it
