"""How is a scan run beside the service? As a process of its own, followed by what it prints, ended by signals.

SIGTERM lets it finish what it has in hand and leaves a state that can be resumed. Its standard input stays open for as
long as the service lives: a process that finds it closed stops in the same way, so that no scan outlives the server
that would tell of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

from serving.scan.progress import ScanProgress

log = logging.getLogger(__name__)

_WORDS_KEPT = 50


@dataclass(frozen=True)
class Launch:
    """How a process is started: its command line and its environment."""

    command: Sequence[str]
    environment: Mapping[str, str]


class ScanProcess:
    """A scan that runs; ended, gently or not, when the `with` block is left."""

    def __init__(self, launch: Launch) -> None:
        # A session of its own: Ctrl-C in the service's terminal is the service's to pass on.
        self._popen = subprocess.Popen(  # noqa: S603 - the command is `serving.scan.launch`'s
            launch.command,
            env=launch.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._latest: ScanProgress | None = None
        self._words: deque[str] = deque(maxlen=_WORDS_KEPT)
        self._readers = [
            threading.Thread(target=self._read, args=(stream, take), name="scan-output", daemon=True)
            for stream, take in ((self._popen.stdout, self._note), (self._popen.stderr, self._words.append))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(within_s=0.0)
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if stream is not None:
                stream.close()

    @property
    def latest(self) -> ScanProgress | None:
        """What it told last."""
        return self._latest

    @property
    def words(self) -> list[str]:
        """The last lines that it wrote to standard error."""
        return [line.rstrip() for line in self._words if line.strip()]

    def wait(self, seconds: float) -> int | None:
        """Wait for its end: the exit code, negative for a signal, or None when it still runs after `seconds`."""
        try:
            code = self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        for reader in self._readers:  # until all that it said is taken in
            reader.join()
        return code

    def stop(self) -> None:
        """Ask it to finish what it has in hand, and to end."""
        self._popen.send_signal(signal.SIGTERM)

    def end(self, *, within_s: float) -> int:
        """Ask it to end, and make it when it has not within so many seconds; return the exit code."""
        if (code := self.wait(0.0)) is not None:
            return code
        self.stop()
        if (code := self.wait(within_s)) is not None:
            return code
        self.kill()
        code = self.wait(10.0)
        return -signal.SIGKILL if code is None else code

    def kill(self) -> None:
        """End it at once, with the processes that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def _note(self, line: str) -> None:
        if not line.startswith("{"):  # words for people
            return
        try:
            self._latest = ScanProgress.from_line(line)
        except ValueError as error:
            log.warning("a scan said what is not understood: %s", error)

    @staticmethod
    def _read(stream: IO[str] | None, take: object) -> None:
        assert stream is not None
        assert callable(take)
        for line in stream:
            take(line)
