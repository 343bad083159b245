"""How near does a scan come to what its networks can do? Figures on real photos with the model that ships.

Both sides run in turn, part by part, so that a busy machine slows them alike.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from serving.app import Application, load_embedder, load_finder, open_application
from serving.deadline import NEVER
from serving.settings import Settings
from serving.steadying import SCAN_BATCH, steady
from serving.visual import Photo, embed_regions
from tests.integration.scan_support import items_of, real_listings, scan, write_lines
from tests.integration.support import Touchstone
from vision.decode import decode
from vision.hashing import pdq
from vision.regions import middle

PARTS, LISTINGS_A_PART = 3, 192
# Of the networks' rate. With the marks that ship, six photos of ten have keypoints sought, on the same processors.
LEAST_SHARE = {"empty": 0.85, "marks that ship": 0.7}


@pytest.fixture(params=LEAST_SHARE)
def registry(request: pytest.FixtureRequest) -> str:
    """Name what the registry holds."""
    name: str = request.param
    return name


@pytest.fixture
def application(
    registry: str, touchstone: Touchstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Application]:
    """Open an application for scans, with the model that ships."""
    monkeypatch.setenv("TOUCHSTONE_EMBEDDER", "torch")  # the fixture of commands leaves the model out
    if registry != "empty":
        assert touchstone("--data-dir", tmp_path / "data", "brands", "seed").code == 0
    with open_application(Settings(data_dir=tmp_path / "data", embedder="torch"), exactly=SCAN_BATCH) as opened:
        yield opened


@pytest.mark.measure
@pytest.mark.data
def test_a_scan_is_as_fast_as_its_networks(
    registry: str, application: Application, eval_data: Path, tmp_path: Path
) -> None:
    """Files to rows takes little longer than finder and embedder take for photos that lie decoded in memory."""
    share = PARTS * LISTINGS_A_PART // 3
    taken = [("fashion/train", share), ("clothing/train", share), ("grocery/train", share)]
    listings = real_listings(eval_data, taken)
    parts = [listings[number::PARTS] for number in range(PARTS)]
    spent = {"owner": 0.0, "scan": 0.0}
    processor = {"owner": 0.0, "scan": 0.0}
    for number, part in enumerate(parts):
        manifest = write_lines(tmp_path / f"{number}.jsonl", map(json.dumps, part))
        photos = [_photo(Path(place)) for item in items_of(manifest) for place in item.images]
        _owner(application, photos[:SCAN_BATCH])  # what is allocated once

        for side in ("owner", "scan"):
            start, used = time.perf_counter(), time.process_time()
            if side == "owner":
                _owner(application, photos)
            else:
                scanned = scan(application.pipeline, manifest, tmp_path / f"{number}.parquet")
                assert scanned.finished
                assert scanned.tally.rows == len(part)
            spent[side] += time.perf_counter() - start
            processor[side] += time.process_time() - used

    rates = {side: len(listings) / seconds for side, seconds in spent.items()}
    print(f"\n{len(listings)} photos, {PARTS} parts in turn; photos a second of wall clock: ", end="")
    print(f"owner {rates['owner']:.2f}, scan {rates['scan']:.2f}: {rates['scan'] / rates['owner']:.3f}", end="; ms ")
    print(", ".join(f"{side} {1000 * seconds / len(listings):.1f}" for side, seconds in processor.items()))
    assert rates["scan"] >= LEAST_SHARE[registry] * rates["owner"]


@pytest.mark.measure
@pytest.mark.data
def test_rows_do_not_depend_on_their_batch(eval_data: Path) -> None:
    """In batches of one size a photo's regions and vectors are the same to the bit, wherever it stands in them."""
    settings = Settings()
    embedder, finder = load_embedder(settings), load_finder(settings)
    listings = real_listings(eval_data, [("fashion/train", 20), ("clothing/train", 20)])
    pixels = [_photo(Path(row["images"][0])).image.pixels for row in listings]
    middles = [middle(each) for each in pixels]
    chance = np.random.default_rng(0)
    for do, crops in (
        (embedder.embed, middles),
        (embedder.embed_marks, middles),
        (finder.find, pixels),
    ):
        answers = steady(do, SCAN_BATCH)(crops)
        for _ in range(3):
            order = chance.permutation(len(crops))[: chance.integers(1, len(crops))]
            again = steady(do, SCAN_BATCH)([crops[place] for place in order])
            assert all(np.array_equal(answers[place], one) for place, one in zip(order, again, strict=True))


def _owner(application: Application, photos: list[Photo]) -> None:
    """Let the networks see photos as fast as they can: two full batches at a time, the next ones always waiting."""
    groups = [photos[start : start + 64] for start in range(0, len(photos), 64)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda group: embed_regions(group, application.embedder, NEVER), groups))


def _photo(path: Path) -> Photo:
    image = decode(path.read_bytes())
    return Photo(0, image, pdq(image.pixels))
