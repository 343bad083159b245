"""How many listings a second does a scan look at? Blocks of the run's photos, by the parts of `touchstone scan`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.bench.timing import seconds_of
from serving.bench.workload import BenchPhoto
from serving.pipeline import Pipeline
from serving.scan.blocks import ScanBlock, ScanItem
from serving.scan.files import ScanFiles
from serving.scan.identity import identify
from serving.scan.local import IN_HAND
from serving.scan.screening import ScanScreener

_BLOCK = 32  # listings: one full batch of the networks


def measure_scan(
    pipeline: Pipeline, photos: Sequence[BenchPhoto], folder: Path, *, listings: int, repeats: int
) -> float:
    """Measure listings of one photo each, whose files lie in `folder`, through a pipeline made for scans."""
    paths = [folder / f"{number}.jpg" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        path.write_bytes(photo.content)
    items = [
        ScanItem(line=number + 1, listing_id=f"scan-{number}", images=(str(paths[number % len(paths)]),))
        for number in range(listings)
    ]
    blocks = [
        ScanBlock(start // _BLOCK, tuple(items[start : start + _BLOCK])) for start in range(0, len(items), _BLOCK)
    ]
    identity = identify(pipeline, "bench", ())
    with ScanScreener(pipeline, ScanFiles.of_user(), identity) as screener, ThreadPoolExecutor(IN_HAND) as pool:

        def scan() -> None:
            list(pool.map(screener.screen, blocks))

        scan()  # warms up
        return listings / statistics.median(seconds_of(scan) for _ in range(repeats))
