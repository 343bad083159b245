"""How does a scan tell the service that started it how far it is? A line of JSON on stdout after each block.

Such a scan gives way to the service's own work, and stops when the service is gone: its standard input, which the
service holds open, ends then.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path

import click
import pyarrow.compute as pc
import pyarrow.parquet as pq

from serving.scan_blocks import ScanFault
from serving.scan_identity import ScanVersions
from serving.scan_local import Progress
from serving.scan_plan import Contents, ScanPlan
from serving.scan_progress import MAX_FAULTS, ScanProgress
from serving.scan_workspace import Tally, faults_of, folder_of

# Faults of the source itself: there is no row for them.
_WITHOUT_ROW = ("MANIFEST_ROW", "DUPLICATE_ID")
_NICENESS = 5
_STDIN = 0


class Teller:
    """Prints a line when a scan has begun, and one for each block that is done."""

    def __init__(self, out: Path, versions: ScanVersions, contents: Contents, plan: ScanPlan) -> None:
        self._out = out
        self._begun = ScanProgress(
            total=_total(contents),
            reused_images=plan.reused_image_count,
            estimated_s=plan.estimated_s,
            versions=asdict(versions),
        )
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
        _print(self._begun, self._tally, self._first_faults)


def tell_finished(out: Path, versions: ScanVersions, contents: Contents) -> None:
    """Print the line of a scan that is finished already."""
    tally = Tally.none()
    counts = pc.value_counts(pq.read_table(out, columns=["verdict"]).column("verdict")).to_pylist()
    tally.verdicts.update({each["values"]: each["counts"] for each in counts})
    with faults_of(out).open(encoding="utf-8") as lines:
        tally.faults.update(json.loads(line)["code"] for line in lines)
    begun = ScanProgress(total=_total(contents), versions=asdict(versions))
    _print(begun, tally, _first([faults_of(out)]))


def stop_with_the_service() -> None:
    """Give way to the service, and ask this process to stop as soon as its standard input ends."""
    os.nice(_NICENESS)

    def watch() -> None:
        while os.read(_STDIN, 1):  # not `sys.stdin`, whose lock the interpreter wants when it ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="service", daemon=True).start()


def _total(contents: Contents) -> int:
    return contents.listing_count + contents.fault_count


def _print(begun: ScanProgress, tally: Tally, first_faults: tuple[ScanFault, ...]) -> None:
    progress = replace(
        begun,
        done=tally.rows + sum(tally.faults[code] for code in _WITHOUT_ROW),
        faults=tally.faults.total(),
        allow=tally.verdicts["ALLOW"],
        review=tally.verdicts["REVIEW"],
        takedown=tally.verdicts["TAKEDOWN"],
        first_faults=first_faults,
    )
    click.echo(progress.to_line())


def _first(files: Iterable[Path]) -> tuple[ScanFault, ...]:
    """Read the first faults of files, one after the other."""
    return tuple(ScanFault(**json.loads(line)) for line in islice(chain.from_iterable(map(_lines, files)), MAX_FAULTS))


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        yield from lines
