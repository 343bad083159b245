"""A Triton server for tests: the one that the wheel `nvidia-pytriton` carries, with its Python backend and no other.

The wheel is not installed like others, because what it asks for (NumPy 1) does not go with the rest: `make install`
puts its files into a folder of the environment, and only the server is used. Its Python is this one.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ending import end_with_parent
from vision.triton.naming import BOXES, IMAGES, MARKS

_ROOT = Path(__file__).parents[2]
_START_S = 180.0
_STOP_S = 20.0


@dataclass(frozen=True)
class TritonServer:
    """A server that is ready."""

    url: str  # HOST:PORT of its gRPC
    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it at once, with its models' processes, as a machine that fails would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_STOP_S)


def find_wheel() -> Path:
    """Return where the wheel's files are; without them tests skip visibly, and fail where CI=true."""
    place = Path(os.environ.get("TOUCHSTONE_TRITON", Path(sys.prefix) / "tritonserver"))
    if not (place / "pytriton/tritonserver/bin/tritonserver").exists():
        missing = f"no Triton server at {place}: run `make install`, or set TOUCHSTONE_TRITON"
        if os.environ.get("CI") == "true":
            raise FileNotFoundError(missing)
        pytest.skip(missing)
    return place


@contextmanager
def triton_server(
    repository: Path, folder: Path, *, roles: Sequence[str] = (IMAGES, MARKS, BOXES), port: int = 0
) -> Iterator[TritonServer]:
    """Serve a model repository for as long as a block runs; what the server needs is put together in `folder`.

    Only models of these roles are loaded: each is a process of its own with torch. `port` is gRPC's; 0: a free one.
    """
    wheel = find_wheel()
    ports = [port or _free_port(), _free_port()]
    log = folder / "tritonserver.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                wheel / "pytriton/tritonserver/bin/tritonserver",
                f"--model-repository={repository}",
                f"--backend-directory={_backends(wheel, folder)}",
                "--model-control-mode=explicit",
                *(f"--load-model={path.name}" for path in repository.iterdir() if path.name.endswith(tuple(roles))),
                "--grpc-address=127.0.0.1",
                f"--grpc-port={ports[0]}",
                "--http-address=127.0.0.1",
                f"--http-port={ports[1]}",
                "--allow-metrics=false",
                "--exit-timeout-secs=5",
            ],
            env=_environment(wheel),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - the child calls prctl and nothing else
        )
    server = TritonServer(f"127.0.0.1:{ports[0]}", process, log)
    try:
        _await_ready(server, f"http://127.0.0.1:{ports[1]}/v2/health/ready")
        yield server
    finally:
        if process.poll() is None:
            server.kill()


def _backends(wheel: Path, folder: Path) -> Path:
    """Lay out the Python backend as the server looks for it: library, stub of this Python and utilities together."""
    server = wheel / "pytriton/tritonserver"
    backend = folder / "backends/python"
    if not backend.exists():
        backend.mkdir(parents=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        stub = f"python_backend_stubs/{version}/triton_python_backend_stub"
        for file in ("backends/python/libtriton_python.so", "backends/python/triton_python_backend_utils.py", stub):
            shutil.copy(server / file, backend)
    return backend.parent


def _environment(wheel: Path) -> dict[str, str]:
    libraries = [sysconfig.get_config_var("LIBDIR"), str(wheel / "nvidia_pytriton.libs")]
    return os.environ | {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(_ROOT), *(path for path in sys.path if path.endswith("site-packages"))]),
        "OMP_NUM_THREADS": "1",
    }


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _await_ready(server: TritonServer, health: str) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            with urllib.request.urlopen(health, timeout=5.0):
                return
        except OSError:
            if server.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(server.log.read_text(errors="replace")[-4000:]) from None
            time.sleep(0.05)
