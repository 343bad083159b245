"""Whatever breaks, no answer is wrong, nothing acknowledged is lost, nothing hangs and memory stays flat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.chaos.report import write_report
from tests.integration.chaos.run import Result, run
from tests.support.postgres import PostgresMissing


def test_a_short_run_of_faults_loses_nothing(tmp_path: Path) -> None:
    """Some seconds under full load: store killed and slow, disk full. `measure` has ten minutes of all faults."""
    faults = ("store killed", "disk full", "slow store")
    result = _run(tmp_path, seconds=10.0, seed=3, scan_every_s=0.0, faults=faults)

    assert not result.wrong, result.wrong[:10]
    assert result.account.decisions
    assert result.account.uploads
    assert result.account.resolutions
    assert {band.fault for band in result.victim.bands} == {*faults, "SIGTERM"}


@pytest.mark.measure
@pytest.mark.timeout(1_200)
def test_ten_minutes_of_faults_lose_nothing(tmp_path: Path) -> None:
    """Every fault, again and again, amid uploads, cases and scans; the report lies in build/chaos."""
    result = _run(tmp_path, seconds=600.0, seed=1, scan_every_s=60.0)

    write_report(Path("build/chaos"), result.account, result.victim.bands, result.figures())
    assert not result.wrong, result.wrong[:10]
    assert len(result.victim.bands) >= 60


def _run(folder: Path, **how: object) -> Result:
    try:
        return run(folder, **how)  # type: ignore[arg-type]
    except PostgresMissing as error:  # where there is none at all, the fixture `postgres` fails or skips
        pytest.skip(str(error))
