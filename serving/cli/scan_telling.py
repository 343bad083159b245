"""How does a scan tell the service that started it how far it is? A line of JSON on stdout after each block and case.

Such a scan gives way to the service's own work, and stops when the service is gone: its standard input, which the
service holds open, ends then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path

import click

from index.scans import ScanStep
from serving.scan.blocks import ScanFault
from serving.scan.cases import OnCase
from serving.scan.file import VERSIONS, open_scan
from serving.scan.identity import ScanVersions
from serving.scan.local import Progress
from serving.scan.plan import ScanPlan
from serving.scan.progress import MAX_FAULTS, ScanProgress
from serving.scan.workspace import Tally, faults_of, folder_of

# Faults of the source itself: there is no row for them.
_WITHOUT_ROW = ("MANIFEST_ROW", "DUPLICATE_ID")
_NICENESS = 5
# A line holds up to a hundred faults.
_CASES_A_LINE = 64
_STDIN = 0


class Teller:
    """Prints a line when a scan of `total` entries has begun, and one for each block that is done.

    It prints to what is stdout now: Ray's session has another one.
    """

    def __init__(self, out: Path, versions: ScanVersions, total: int, plan: ScanPlan | None = None) -> None:
        self._out = out
        self._stdout = sys.stdout
        self._begun = ScanProgress(total=total, versions=asdict(versions))
        if plan is not None:
            self._begun = replace(self._begun, reused_images=plan.reused_image_count, estimated_s=plan.estimated_s)
        self._tally = Tally.none()
        self._first_faults: tuple[ScanFault, ...] = ()
        self._tell()

    def after(self, progress: Progress) -> Progress:
        """Return a `progress` that does what this one does, and then tells."""

        def told(tally: Tally, before: bool) -> None:
            progress(tally, before)
            self._tally.add(tally)
            if tally.faults and len(self._first_faults) < MAX_FAULTS:
                files = sorted((folder_of(self._out) / "faults").glob("*.jsonl"))
                self._first_faults = _first(files)
            self._tell()

        return told

    def _tell(self) -> None:
        progress = _counted(self._begun, self._tally, self._first_faults)
        click.echo(progress.to_line(), file=self._stdout)


def tell_finished(out: Path) -> None:
    """Print the line of a scan that is finished."""
    click.echo(_finished(out).to_line())


def tell_cases(out: Path, count: int) -> OnCase:
    """Print the line of a scan that is finished and opens `count` cases; return what prints one as they are there."""
    finished = _finished(out)

    def told(done: Counter[ScanStep]) -> None:
        if done.total() in (0, count) or not done.total() % _CASES_A_LINE:
            progress = replace(finished, cases=done[ScanStep.OPENED] + done[ScanStep.KNOWN])
            click.echo(progress.to_line())

    told(Counter())
    return told


def _finished(out: Path) -> ScanProgress:
    """Read what a scan came to from its files."""
    tally = Tally.none()
    with open_scan(out) as scan:
        tally.verdicts.update(row["verdict"] for row in scan.rows(["verdict"]))
        versions = {name: scan.metadata.get(name, "") for name in VERSIONS}
    with faults_of(out).open(encoding="utf-8") as lines:
        tally.faults.update(json.loads(line)["code"] for line in lines)
    counted = _counted(ScanProgress(versions=versions), tally, _first([faults_of(out)]))
    return replace(counted, total=counted.done)


def stop_with_the_service() -> None:
    """Give way to the service, and ask this process to stop as soon as its standard input ends."""
    os.nice(_NICENESS)

    def watch() -> None:
        while os.read(_STDIN, 1):  # not `sys.stdin`, whose lock the interpreter wants when it ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="service", daemon=True).start()


def _counted(begun: ScanProgress, tally: Tally, first_faults: tuple[ScanFault, ...]) -> ScanProgress:
    return replace(
        begun,
        done=tally.rows + sum(tally.faults[code] for code in _WITHOUT_ROW),
        faults=tally.faults.total(),
        allow=tally.verdicts["ALLOW"],
        review=tally.verdicts["REVIEW"],
        takedown=tally.verdicts["TAKEDOWN"],
        first_faults=first_faults,
    )


def _first(files: Iterable[Path]) -> tuple[ScanFault, ...]:
    """Read the first faults of files, one after the other."""
    return tuple(ScanFault(**json.loads(line)) for line in islice(chain.from_iterable(map(_lines, files)), MAX_FAULTS))


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        yield from lines
