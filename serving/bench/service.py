"""What is measured over gRPC? The service as an operator starts it, in a process and a data folder of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from serving.bench.plan import CARRIED
from serving.errors import BenchError
from serving.settings import Settings

_ANNOUNCED = re.compile(r"serving on (127\.0\.0\.1:\d+)")
_STARTS_WITHIN_S, _ENDS_WITHIN_S = 180.0, 30.0
_LOG = "service.log"


@dataclass(frozen=True)
class Started:
    """A service that answers at `target`."""

    target: str
    process: subprocess.Popen[bytes]

    def peak_mib(self) -> float | None:
        """Say how much memory it has had at most; None where the system does not tell."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        except OSError:
            return None
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else None


@contextmanager
def started_service(settings: Settings) -> Iterator[Started]:
    """Start the service over `settings.data_dir`, which is the run's own; it ends with the block.

    Raises:
        BenchError: it does not come up; the message holds the end of its log.

    """
    folder = settings.data_dir
    config, log = folder / "bench.yaml", folder / _LOG
    config.write_text(yaml.safe_dump({name: getattr(settings, name) for name in CARRIED}), encoding="utf-8")
    command = [sys.executable, "-m", "serving.cli.main", "--data-dir", str(folder)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHSTONE_")}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [*command, "serve", "--listen", "127.0.0.1:0", "--config", str(config)],
            stderr=output,
            stdout=output,
            env=inherited,
        )
    try:
        yield Started(_target(process, log), process)
    finally:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _target(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until it says where it listens."""
    given_up = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < given_up and process.poll() is None:
        if found := _ANNOUNCED.search(log.read_text(encoding="utf-8", errors="replace")):
            return found[1]
        time.sleep(0.1)
    said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
    raise BenchError(f"the service did not start within {_STARTS_WITHIN_S:.0f} s; it said: {said or 'nothing'}")
