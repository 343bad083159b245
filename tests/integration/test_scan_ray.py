"""A scan over Ray tells what a scan in this process tells, whatever dies. Ray is real, and started once for all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from serving.app import open_application
from serving.errors import RunnerError
from serving.ray_session import ray_session
from serving.scan.blocks import blocks
from serving.scan.ray_runner import RayRunner, scan_over_ray
from serving.scan.ray_start import probe_of
from serving.scan.ray_worker import Probe, WorkerTask
from serving.scan.rows import BlockResult
from serving.settings import Settings
from tests.integration.support import draw, fill
from tests.support import scan_pipeline
from tests.support.scan_bench import DIGEST_BENCH, PIPELINE_BENCH, POISON, KeptParts, Photos, open_bench

BLOCK = 4


@pytest.fixture(scope="module")
def connected() -> Iterator[None]:
    """Start Ray for the tests of this module, and see afterwards that nothing of it is left."""
    before = set(psutil.Process().children(recursive=True))
    with ray_session(None, workers=2):
        import ray

        node: Any = ray._private.worker._global_node
        folder = Path(node.get_temp_dir_path())
        started = set(psutil.Process().children(recursive=True)) - before
        yield
    _, alive = psutil.wait_procs(started, timeout=60)
    assert not alive
    assert not folder.exists()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Draw photos for six blocks less one listing; one of them is missing."""
    folder = tmp_path_factory.mktemp("photos")
    places = [folder / f"{number}.png" for number in range(6 * BLOCK - 2)]
    for number, place in enumerate(places):
        place.write_bytes(draw(number % 5))
    places[3].unlink()
    return tuple(places)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Set up a small registry over the fake embedder."""
    settings = Settings(embedder="fake", points="none", data_dir=tmp_path_factory.mktemp("data"))
    with open_application(settings) as application:
        fill(application)
    return settings


def test_two_workers_say_what_one_process_says(connected: None, photos: tuple[Path, ...], settings: Settings) -> None:
    """The rows and faults of each block are those of screening them in order here; a block done is left alone."""
    source = Photos(photos)
    with scan_pipeline.open_bench(settings) as bench:
        expected = [bench.screener.screen(block) for block in blocks(source.entries(), BLOCK)]
        task = WorkerTask(
            make=PIPELINE_BENCH, settings=settings, versions=bench.versions, probe=probe_of(source, bench.opener)
        )

    parts, kept = KeptParts(BlockResult(2, (), ())), []
    runner = RayRunner(task, workers=2, size=BLOCK)

    finished = scan_over_ray(
        runner, source, parts, block_count=len(expected), kept=lambda each: kept.append(each.number)
    )

    assert finished
    assert sorted(kept) == [0, 1, 3, 4, 5]
    assert parts.finished == [*expected[:2], BlockResult(2, (), ()), *expected[3:]]
    assert {row.brand for result in expected for row in result.rows} >= {"Aurora"}
    assert [fault.code for result in expected for fault in result.faults] == ["MANIFEST_ROW", "IMAGE_MISSING"]


def test_a_killed_worker_changes_nothing(connected: None, photos: tuple[Path, ...], tmp_path: Path) -> None:
    """A worker is ended by SIGKILL while it reads a photo: its block is screened again, and each row is there once."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    source = Photos((*photos[:3], pipe, *photos[4:]))
    runner = RayRunner(WorkerTask(make=DIGEST_BENCH, settings=Settings(), versions={}), workers=2, size=BLOCK)

    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(lambda: sorted(runner.run(source), key=lambda result: result.number))
        with pipe.open("wb"):  # comes back once a worker reads
            victim = _reader(pipe)
            victim.kill()
            victim.wait(60)
        pipe.write_bytes(draw(3))  # likewise, and it is another one
        found = ending.result()

    drawn = tmp_path / "drawn.png"
    drawn.write_bytes(draw(3))
    with open_bench(Settings()) as bench:
        expected = [
            bench.screener.screen(b) for b in blocks(Photos((*photos[:3], drawn, *photos[4:])).entries(), BLOCK)
        ]
    assert found == expected


def test_only_the_listing_that_kills_its_worker_gets_a_fault(
    connected: None, photos: tuple[Path, ...], tmp_path: Path
) -> None:
    """A photo at which every worker dies costs its own listing the verdict, and no other one its row."""
    poison = tmp_path / "poison.png"
    poison.write_bytes(POISON)
    source = Photos((*photos[4:9], poison, *photos[9:12]))
    task = WorkerTask(make=DIGEST_BENCH, settings=Settings(), versions={})

    found = list(RayRunner(task, workers=1, attempts=1, size=BLOCK).run(source))

    rows = {row.line: row for result in found for row in result.rows}
    assert sorted(row.line for result in found for row in result.rows) == list(range(1, 10))
    assert [line for line, row in rows.items() if row.verdict == "REVIEW"] == [6]
    assert [(fault.line, fault.code) for result in found for fault in result.faults] == [
        (1, "MANIFEST_ROW"),
        (6, "FAILED"),
    ]


@pytest.mark.parametrize(
    ("wanted", "probe", "told"),
    [
        ({"index_version": "7"}, None, "index_version 6 instead of 7"),
        ({}, Probe("/nowhere/1.png", "0" * 64), "cannot read /nowhere/1.png"),
    ],
)
def test_a_worker_that_differs_is_refused(
    connected: None, photos: tuple[Path, ...], wanted: Mapping[str, str], probe: Probe | None, told: str
) -> None:
    """A worker with another index, or without the photos, ends the scan with a sentence that names what differs."""
    task = WorkerTask(
        make=DIGEST_BENCH,
        settings=Settings(),
        versions=wanted,
        probe=probe,
        options={"versions": {"index_version": "6"}},
    )

    with pytest.raises(RunnerError, match=told):
        list(RayRunner(task, workers=1).run(Photos(photos)))


def _reader(pipe: Path) -> psutil.Process:
    """Find the process below this one that has the pipe open."""
    for process in psutil.Process().children(recursive=True):
        with suppress(OSError):
            if any(link.readlink() == pipe for link in Path(f"/proc/{process.pid}/fd").iterdir()):
                return process
    raise AssertionError("nobody reads")
