"""Does a scan that the service gives to Ray say what a local one says? A real server, its command, and two workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from serving.access.caller import ACTOR
from serving.app import Application, open_application
from serving.scan.blocks import BLOCK_ENTRIES
from serving.scan.client import ScanClient
from tests.integration.support import AURORA_SHOE, Start, draw, fill, settings_at
from touchstone.moderation.v1 import scan_pb2

BLOCKS, PHOTOS = 6, 5


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    """Open a small registry, and a service that has Ray on its own machine for scans of what lies in `opened`."""
    opened = tmp_path / "opened"
    opened.mkdir()
    settings = settings_at(tmp_path / "data").model_copy(
        update={"scan_roots": (str(opened),), "points": "none", "scan_ray_address": "local", "ray_workers": 2}
    )
    with open_application(settings) as application:
        fill(application)
        yield application


@pytest.mark.slow
def test_ray_beside_the_service_gives_the_same_rows_though_a_worker_is_killed(
    start: Start, application: Application, tmp_path: Path
) -> None:
    """Two workers of the service's own Ray, one of them ended by SIGKILL midway: rows and faults are the local scan's.

    A worker opens what the operator opened and nothing else, as the service itself.
    """
    folder = tmp_path / "opened"
    count = BLOCKS * BLOCK_ENTRIES - 2
    _write(folder, tmp_path / "secret.png", count=count)

    with start(application) as running, ScanClient(running.target, metadata=((ACTOR, "ann"),)) as client:
        over_ray = client.start(_spec(folder, "ray"))
        halfway = _follow(client, over_ray, least=1)
        victims = _workers()
        victims[0].kill()
        over_ray = _follow(client, over_ray)
        beside = _follow(client, client.start(_spec(folder, "local", runner=scan_pb2.SCAN_RUNNER_LOCAL)))

    assert halfway.progress.done_count < count
    assert len(victims) == 2
    for scan in (over_ray, beside):
        assert scan.state == scan_pb2.SCAN_STATE_SUCCEEDED, scan
        assert (scan.progress.done_count, scan.progress.fault_count) == (count, 2)
    assert over_ray.progress.first_faults == beside.progress.first_faults
    assert over_ray.versions == beside.versions
    rows = _rows(folder / "ray.parquet")
    assert len(rows) == count
    assert {row["brand"] for row in rows} >= {"Aurora"}
    assert rows == _rows(folder / "local.parquet")


def _write(folder: Path, secret: Path, *, count: int) -> None:
    """Write a manifest of listings that show a few photos; of two the photo is missing, or not for scans to see."""
    for number in range(PHOTOS):
        (folder / f"{number}.png").write_bytes(draw(AURORA_SHOE + number))
    secret.write_bytes(draw(1))
    images = [f"{number % PHOTOS}.png" for number in range(count)]
    images[7], images[BLOCK_ENTRIES + 7] = "no-such.png", str(secret)
    lines = [json.dumps({"listing_id": f"l{number}", "images": [image]}) for number, image in enumerate(images)]
    (folder / "listings.jsonl").write_text("\n".join(lines))


def _spec(folder: Path, name: str, **fields: Any) -> scan_pb2.ScanSpec:
    return scan_pb2.ScanSpec(
        manifest_uri=str(folder / "listings.jsonl"), output_uri=str(folder / f"{name}.parquet"), **fields
    )


def _follow(client: ScanClient, scan: scan_pb2.Scan, *, least: int | None = None) -> scan_pb2.Scan:
    """Follow a scan until so many listings are done, or to its end."""
    for seen in client.follow(scan.scan_id):
        if least is not None and seen.progress.done_count >= least:
            return seen
    return seen


def _workers() -> list[psutil.Process]:
    """Find the processes that screen for Ray, which name themselves after their class."""
    names = [(one, " ".join(one.cmdline())) for one in psutil.Process().children(recursive=True)]
    return [one for one, name in names if name.startswith("ray::") and "ScanWorker" in name]


def _rows(path: Path) -> list[dict[str, Any]]:
    """Read rows without what names the scan."""
    return [{**row, "decision_id": ""} for row in pq.read_table(path).to_pylist()]
