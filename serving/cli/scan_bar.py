"""How far is a scan, and shall it stop? The bar on stderr, and the first Ctrl-C or SIGTERM as the wish to stop."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from serving.cli.common import stderr
from serving.scan.local import Stopping
from serving.scan.workspace import Tally


class Bar:
    """Counts what is done, and moves a bar."""

    def __init__(self, bar: Progress, total: int) -> None:
        self.tally = Tally.none()
        self.before = 0
        self.total = total
        self._bar = bar
        self._task = bar.add_task("scanning", total=total, rate="")
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """How long this run has been at work."""
        return time.perf_counter() - self._start

    @property
    def rate(self) -> float:
        """Listings a second in this run."""
        return (self.tally.rows - self.before) / max(self.seconds, 1e-9)

    def add(self, tally: Tally, before: bool) -> None:
        """Count a block in."""
        self.tally.add(tally)
        self.before += tally.rows if before else 0
        done = self.tally.rows + self.tally.faults.get("MANIFEST_ROW", 0) + self.tally.faults.get("DUPLICATE_ID", 0)
        self._bar.update(self._task, completed=min(done, self.total), rate=f"{self.rate:.1f}/s")


@contextmanager
def counting(total: int) -> Iterator[Bar]:
    """Show a bar on stderr with rate and time left; quiet when that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, disable=not sys.stderr.isatty()) as bar:
        yield Bar(bar, total)


@contextmanager
def stopping_on_signals() -> Iterator[Stopping]:
    """Take the first Ctrl-C or SIGTERM as the wish to stop; a second one ends the process at once."""
    stopping = Stopping()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return
    before: dict[signal.Signals, Any] = {}

    def ask(_number: int, _frame: object) -> None:
        stderr.print("stopping: what is in hand is finished first; once more ends at once")
        stopping.ask()
        for number, handler in before.items():
            signal.signal(number, handler)

    before |= {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
