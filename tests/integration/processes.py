"""How does a test run the service as an operator does? Servers and builders as processes of their own.

Each is ended by its own id when its block ends, whatever happened inside: by SIGTERM if it listens to that, otherwise
by SIGKILL. Reusable for tests that load replicas, or that kill them at random moments.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.integration.support import PATIENCE_S, environment
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

_ANNOUNCED = re.compile(r"serving on (127\.0\.0\.1:\d+)")
_ENDS_WITHIN_S = 20.0


@dataclass(frozen=True, eq=False)
class Process:
    """A `touchstone` command that runs; `lines` are what it has said so far, on stdout and stderr."""

    popen: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.popen.poll() is None

    def wait_for(self, pattern: str, *, count: int = 1) -> re.Match[str]:
        """Wait until `count` lines match a pattern, and give the last of them. Raises AssertionError when none will."""
        with self.news:
            self.news.wait_for(lambda: len(self._matches(pattern)) >= count or not self.alive, PATIENCE_S)
            found = self._matches(pattern)
        assert len(found) >= count, f"no {pattern!r} in what it said: {''.join(self.lines)}"
        return found[count - 1]

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        self.popen.kill()
        self.popen.wait(_ENDS_WITHIN_S)

    def end(self) -> int:
        """Ask it to end, and give its exit code."""
        if self.alive:
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def _matches(self, pattern: str) -> list[re.Match[str]]:
        return [found for found in (re.search(pattern, line) for line in self.lines) if found]


@dataclass(frozen=True, eq=False)
class Replica:
    """A server that answers: its process, where it listens, and a channel to it."""

    process: Process
    target: str
    channel: grpc.Channel

    @property
    def stub(self) -> ModerationServiceStub:
        """ModerationService."""
        return ModerationServiceStub(self.channel)

    def serving(self) -> bool:
        """Tell whether health says SERVING."""
        health = health_pb2_grpc.HealthStub(self.channel)
        answer = health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


@contextmanager
def touchstone_process(
    data: Path, *arguments: str, variables: Mapping[str, str] | None = None, **settings: object
) -> Iterator[Process]:
    """Run `touchstone ARGUMENTS` on a data folder, without a model; `settings` go by their names.

    `variables` are further ones of its environment.
    """
    told = {f"TOUCHSTONE_{name.upper()}": str(value) for name, value in settings.items()} | dict(variables or {})
    command = [sys.executable, "-u", "-m", "serving.cli.main", "--data-dir", str(data), *arguments]
    popen = subprocess.Popen(
        command, env=environment() | told, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    process = Process(popen)
    reader = threading.Thread(target=_read, args=(process,), daemon=True)
    reader.start()
    try:
        yield process
    finally:
        try:
            process.end()
        finally:
            reader.join(PATIENCE_S)
            assert popen.stdout is not None
            popen.stdout.close()


@contextmanager
def replica(data: Path, variables: Mapping[str, str] | None = None, /, **settings: object) -> Iterator[Replica]:
    """Run `touchstone serve` on a free port until it is healthy, and end it with the block."""
    with touchstone_process(data, "serve", "--listen", "127.0.0.1:0", variables=variables, **settings) as process:
        target = process.wait_for(_ANNOUNCED.pattern)[1]
        with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            running = Replica(process, target, channel)
            assert running.serving()
            yield running


@contextmanager
def replicas(data: Path, count: int, **settings: object) -> Iterator[Sequence[Replica]]:
    """Run several servers on one data folder."""
    if count == 0:
        yield ()
        return
    with replica(data, **settings) as first, replicas(data, count - 1, **settings) as others:
        yield (first, *others)


def _read(process: Process) -> None:
    assert process.popen.stdout is not None
    for line in process.popen.stdout:
        with process.news:
            process.lines.append(line)
            process.news.notify_all()
    process.popen.wait()
    with process.news:
        process.news.notify_all()
