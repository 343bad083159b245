"""A scan's process tells the service how far it is, wherever its words go meanwhile."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from index.scans import ScanStep
from serving.cli.scan_telling import Teller, tell_cases
from serving.scan.identity import ScanVersions
from serving.scan.progress import ScanProgress
from serving.scan.rows import ScanRow, to_table
from serving.scan.workspace import Tally, faults_of

VERSIONS = ScanVersions(
    touchstone_version="1",
    model_fingerprint="m",
    index_version="i",
    policy_version="p",
    fusion_version="f",
    calibration_version="c",
)


def told(capsys: pytest.CaptureFixture[str]) -> list[ScanProgress]:
    """Read what was told."""
    return [ScanProgress.from_line(line) for line in capsys.readouterr().out.splitlines()]


def test_blocks_are_told_while_stdout_is_taken_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ray's session sends what is printed to stderr; progress goes to the service all the same."""
    progress = Teller(tmp_path / "out.parquet", VERSIONS, 3).after(lambda _tally, _before: None)

    with redirect_stdout(sys.stderr):
        progress(Tally(Counter(ALLOW=2), Counter()), False)

    begun, block = told(capsys)
    assert (begun.total, begun.done, begun.versions["policy_version"]) == (3, 0, "p")
    assert (block.done, block.allow) == (2, 2)


def test_cases_are_told_of_a_finished_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts come from the file: all rows are done, and the cases of this scan are counted as they are there."""
    out = tmp_path / "out.parquet"
    rows = [ScanRow(listing_id=f"l{line}", line=line, verdict="REVIEW") for line in range(1, 3)]
    pq.write_table(to_table(rows, {"scan_id": "s", "policy_version": "p"}), out)
    faults_of(out).write_text('{"line": 3, "listing_id": "", "code": "MANIFEST_ROW", "message": "no row"}\n')

    progress = tell_cases(out, 2)
    progress(Counter({ScanStep.OPENED: 1}))
    progress(Counter({ScanStep.OPENED: 1, ScanStep.KNOWN: 1}))

    first, last = told(capsys)
    assert (first.total, first.done, first.review, first.faults, first.cases) == (3, 3, 2, 1, 0)
    assert (last.cases, last.versions["policy_version"]) == (2, "p")
