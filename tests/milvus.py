"""A Milvus for tests: the engine that the wheel `milvus-lite` carries, as a process of its own that answers here only.

Its Python part is not used: it would want setuptools, and leaves a lock behind.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_PATIENCE_S = 30.0


@contextmanager
def milvus_lite(folder: Path) -> Iterator[str]:
    """Run the engine on a database in `folder` for as long as a block runs, and give its URI; skips without one."""
    found = importlib.util.find_spec("milvus_lite")
    if found is None or found.origin is None:
        pytest.skip("no milvus-lite; install the extra dev")
    libraries = Path(found.origin).parent / "lib"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    engine = subprocess.Popen(
        [libraries / "milvus", folder / "milvus.db", address, "ERROR"],
        env=os.environ | {"LD_LIBRARY_PATH": str(libraries)},
        cwd=folder,
    )
    try:
        _await_answer(engine, address)
        yield f"http://{address}"
    finally:
        engine.kill()
        engine.wait(_PATIENCE_S)


def _await_answer(engine: subprocess.Popen[bytes], address: str) -> None:
    host, _, port = address.partition(":")
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1.0).close()
        except OSError:
            if engine.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
