"""A scan decides as the service does, loses nothing whatever dies, and says of every fault where it is."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from index.money import Money
from serving.app import Application, open_application
from serving.domain import Listing
from serving.errors import ScanBusy, ScanError
from serving.scan_blocks import BLOCK_ENTRIES, ScanBlock, ScanItem
from serving.scan_files import ScanFiles
from serving.scan_identity import identify
from serving.scan_local import Stopping
from serving.scan_outcome import failed_row
from serving.scan_reuse import open_reuse
from serving.scan_rows import BlockResult
from serving.scan_screening import ScanScreener
from serving.scan_workspace import ROW_GROUP, faults_of, folder_of, open_workspace
from serving.settings import Settings
from serving.steadying import SCAN_BATCH, steady
from tests.integration.scan_support import drawn_manifest, scan, write_lines
from tests.integration.support import (
    AURORA_SHOE,
    AUTHORISED,
    KNOWN_FAKE,
    Touchstone,
    draw,
    flipped_crop,
    settings_at,
    with_embedder,
)
from vision.fake import FakeEmbedder

PATIENCE_S = 120.0


def test_rows_are_the_services_decisions(own_application: Application, tmp_path: Path) -> None:
    """Verdict, probability, reasons, brand, category and match of each row are those of `Pipeline.screen`."""
    pictures = (draw(AURORA_SHOE), draw(KNOWN_FAKE), flipped_crop(draw(KNOWN_FAKE, edge=600)), draw(77))
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number}.png").write_bytes(picture)
    offers = [(0,), (1,), (2,), (3,), (0, 1, 3), ()]
    items = [
        ScanItem(
            line=line,
            listing_id=f"l{line}",
            images=tuple(str(tmp_path / f"{number}.png") for number in numbers),
            title="Aurora shoe 2 pcs",
            claimed_brand="Aurora",
            category="shoes",
            price=Money(Decimal(20), "USD"),
            seller_id=AUTHORISED,
        )
        for line, numbers in enumerate(offers, start=1)
    ]
    pipeline = own_application.pipeline

    with ScanScreener(pipeline, ScanFiles.of_user(()), identify(pipeline, "00")) as screener:
        result = screener.screen(ScanBlock(0, tuple(items)))

    assert result.faults == ()
    for item, row in zip(items, result.rows, strict=True):
        screening = pipeline.screen(_listing(item))
        decision = screening.decision
        assert row.verdict == decision.verdict
        assert row.counterfeit_probability == pytest.approx(decision.counterfeit_probability, abs=1e-9)
        assert row.reasons == tuple(reason.code for reason in decision.reasons)
        assert row.brand == screening.brand
        assert row.image_sha256 == tuple(image.sha256 for image in decision.image_results)
        assert row.image_hashes == tuple(image.pdq or b"" for image in screening.images)
        assert row.price_amount == 10.0
    assert {row.verdict for row in result.rows} > {"ALLOW"}
    assert result.rows[0].match_brand == "Aurora"


def test_each_fault_is_named_and_the_others_are_done(touchstone: Touchstone, tmp_path: Path) -> None:
    """Of 200 rows one in twenty is bad JSON, a missing or broken file or a repeated id: exit 3, and 190 good rows."""
    manifest = drawn_manifest(tmp_path / "in", listings=200)
    lines = manifest.read_text().splitlines()
    (manifest.parent / "broken.png").write_bytes(b"\x89PNG and no more")
    lines[9] = "{no JSON"
    lines[29], lines[49] = (json.dumps({"listing_id": f"m{n}", "images": ["none.png"]}) for n in range(2))
    lines[69], lines[89] = (json.dumps({"listing_id": f"b{n}", "images": ["0.png", "broken.png"]}) for n in range(2))
    lines[109] = lines[129] = lines[0]
    lines[149] = json.dumps({"images": []})
    lines[169] = json.dumps({"listing_id": "t", "images": ["0.png"], "title": "x" * 1_001})
    lines[189] = "[]"
    write_lines(manifest, lines)
    out = tmp_path / "out.parquet"

    done = touchstone("--data-dir", tmp_path / "data", "--json", "scan", manifest, "--out", out)

    assert done.code == 3, done.stderr
    told = [json.loads(line) for line in (tmp_path / "out.faults.jsonl").read_text().splitlines()]
    assert [(one["line"], one["code"]) for one in told] == [
        (10, "MANIFEST_ROW"),
        (30, "IMAGE_MISSING"),
        (50, "IMAGE_MISSING"),
        (70, "IMAGE_UNREADABLE"),
        (90, "IMAGE_UNREADABLE"),
        (110, "DUPLICATE_ID"),
        (130, "DUPLICATE_ID"),
        (150, "MANIFEST_ROW"),
        (170, "MANIFEST_ROW"),
        (190, "MANIFEST_ROW"),
    ]
    rows = pq.read_table(out).to_pylist()
    assert len(rows) == 194  # those of faulty images among them
    assert len({row["listing_id"] for row in rows}) == 194
    assert {row["line"] for row in rows if row["error"]} == {30, 50, 70, 90}
    assert all(row["verdict"] == "REVIEW" for row in rows if row["error"])
    document = json.loads(done.stdout)
    assert (document["rows"], sum(document["faults"].values())) == (194, 10)


def test_one_defect_costs_one_listing(application: Application, tmp_path: Path) -> None:
    """A photo on which the network fails leaves its own listing to a person; the others are decided."""
    manifest = drawn_manifest(tmp_path / "in", listings=6, photos=6)
    (manifest.parent / "3.png").write_bytes(draw(500, edge=222))

    with with_embedder(application, _Fragile()) as fragile:
        done = scan(fragile.pipeline, manifest, tmp_path / "out.parquet")

    rows = done.rows
    assert [row["listing_id"] for row in rows if "STAGE_FAILED" in row["reasons"]] == ["l3"]
    assert rows[3]["verdict"] == "REVIEW"


@pytest.mark.parametrize("kills", [pytest.param(2, id="2"), pytest.param(50, id="50", marks=pytest.mark.measure)])
def test_killed_scans_end_as_undisturbed_ones(kills: int, filled: Path, tmp_path: Path) -> None:
    """After kill -9 at random moments and --resume each time, both files are byte for byte those of one run."""
    manifest = drawn_manifest(tmp_path / "in", listings=300 if kills < 10 else 8_000, edge=64)
    out = tmp_path / "killed.parquet"
    parts, chance = folder_of(out) / "parts", random.Random(kills)

    for _ in range(kills):
        process, before = _command(filled, manifest, out, "--resume"), _count(parts)
        wanted = chance.randint(0, 2)
        _until(lambda: process.poll() is not None or (parts.exists() and _count(parts) >= before + wanted))  # noqa: B023
        threading.Event().wait(chance.uniform(0, 0.1))  # into the middle of whatever comes next
        assert process.poll() is None, process.communicate()
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    left = _count(parts)
    with open_application(_settings(filled), exactly=SCAN_BATCH) as application:
        scan(application.pipeline, manifest, tmp_path / "undisturbed.parquet")
        scan(application.pipeline, manifest, out, resume=True)

    print(
        f"{kills} kills, after which {left} of {-(-pq.read_metadata(out).num_rows // BLOCK_ENTRIES)} blocks were done"
    )
    assert out.read_bytes() == (tmp_path / "undisturbed.parquet").read_bytes()
    assert faults_of(out).read_bytes() == faults_of(tmp_path / "undisturbed.parquet").read_bytes()
    assert not folder_of(out).exists()


def test_a_signal_leaves_a_scan_that_goes_on(filled: Path, tmp_path: Path) -> None:
    """SIGTERM, as Ctrl-C, ends with 1, keeps what was done and names the command that goes on."""
    manifest = drawn_manifest(tmp_path / "in", listings=1_000, edge=64)
    out = tmp_path / "out.parquet"
    process = _command(filled, manifest, out)
    _until(lambda: process.poll() is not None or _count(folder_of(out) / "parts") > 0)

    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 1, errors
    assert f"--out {out} --resume" in " ".join(errors.split())
    assert 0 < _count(folder_of(out) / "parts") < 1_000 // BLOCK_ENTRIES
    with open_application(_settings(filled), exactly=SCAN_BATCH) as application:
        assert scan(application.pipeline, manifest, out, resume=True).tally.rows == 1_000


def test_a_stopped_scan_is_not_taken_for_another(application: Application, tmp_path: Path) -> None:
    """Without --resume it is not touched; with another source, or other versions, it does not go on."""
    manifest, out = drawn_manifest(tmp_path / "in", listings=70), tmp_path / "out.parquet"
    stopping = Stopping()
    stopping.ask()
    assert not scan(application.pipeline, manifest, out, stopping=stopping).finished

    with pytest.raises(ScanError, match="--resume"):
        scan(application.pipeline, manifest, out)
    other = drawn_manifest(tmp_path / "other", listings=71)
    with pytest.raises(ScanError, match=r"the source holds something else.*--restart"):
        scan(application.pipeline, other, out, resume=True)
    with (
        with_embedder(application, FakeEmbedder(dim=64)) as other_model,
        pytest.raises(ScanError, match=r"model_fingerprint was fake@.* and is fake@"),
    ):
        scan(other_model.pipeline, manifest, out, resume=True)

    assert scan(application.pipeline, manifest, out, resume=True).tally.rows == 70
    with pytest.raises(ScanError, match="exists"):
        scan(application.pipeline, manifest, out)
    assert scan(application.pipeline, manifest, out, restart=True).tally.rows == 70


def test_two_scans_do_not_write_to_one_file(application: Application, tmp_path: Path) -> None:
    """The second one is refused as long as the first is at work, and leaves it alone."""
    out = tmp_path / "out.parquet"
    identity = identify(application.pipeline, "00")
    with open_workspace(out, identity, resume=False, restart=False):
        with pytest.raises(ScanBusy), open_workspace(out, identity, resume=True, restart=False):
            pass
        assert (folder_of(out) / "plan.json").exists()


def test_an_image_is_embedded_once(application: Application, tmp_path: Path) -> None:
    """A scan after another one embeds new images only, and its rows are the same to the byte."""
    manifest = drawn_manifest(tmp_path / "in", listings=30)
    fingerprint = application.embedder.fingerprint
    pipeline, settings = application.pipeline, application.settings
    scan(pipeline, manifest, tmp_path / "alone.parquet")

    with open_reuse(settings, fingerprint) as reuse:
        scan(pipeline, manifest, tmp_path / "first.parquet", reuse=reuse)
        before = application.embedder.forwards
        scan(pipeline, manifest, tmp_path / "second.parquet", reuse=reuse)

        assert application.embedder.forwards == before
        assert reuse.found == 12
    with open_reuse(settings, "another@model") as other:
        assert not other.find(list(_digests(tmp_path / "first.parquet")))
    contents = {(tmp_path / f"{name}.parquet").read_bytes() for name in ("alone", "first", "second")}
    assert len(contents) == 1


def test_the_file_of_embeddings_is_bounded_and_may_be_broken(application: Application, tmp_path: Path) -> None:
    """The oldest photos go first; a file that is no database is passed over, and the scan is done without it."""
    manifest = drawn_manifest(tmp_path / "in", listings=30)
    settings = application.settings.model_copy(update={"scan_reuse_photos": 5})
    with open_reuse(settings, application.embedder.fingerprint) as reuse:
        done = scan(application.pipeline, manifest, tmp_path / "out.parquet", reuse=reuse)
        kept = reuse.find(list(_digests(done.out)))
    assert len(kept) == 5

    (settings.data_dir / "scan-embeddings.db").write_bytes(b"no database" * 1_000)
    with open_reuse(settings, application.embedder.fingerprint) as reuse:
        done = scan(application.pipeline, manifest, tmp_path / "again.parquet", reuse=reuse)
    assert done.finished


def test_batches_have_one_size() -> None:
    """Whatever comes, embedder and finder see full batches, and each crop gets its own answer."""
    sizes: list[int] = []

    def brightest(crops: Sequence[NDArray[np.uint8]]) -> list[int]:
        sizes.append(len(crops))
        return [int(crop.max()) for crop in crops]

    crops = [np.full((2, 2, 3), value, np.uint8) for value in range(70)]

    assert steady(brightest, SCAN_BATCH)(crops) == list(range(70))
    assert sizes == [SCAN_BATCH] * 3
    assert steady(brightest, None) is brightest


def test_row_groups_are_of_one_size(application: Application, tmp_path: Path) -> None:
    """Parts of any size become groups of 4,096 rows, in the source's order, with the versions in the metadata."""
    out = tmp_path / "out.parquet"
    identity = identify(application.pipeline, "00")
    items = [ScanItem(line=line, listing_id=str(line)) for line in range(1, 5_001)]
    with open_workspace(out, identity, resume=False, restart=False) as workspace:
        assert workspace is not None
        for number in range(5):
            rows = [failed_row(item, "not looked at") for item in items[1_000 * number : 1_000 * (number + 1)]]
            workspace.keep(BlockResult(number, tuple(rows), ()))
        workspace.finish(5)

    metadata = pq.read_metadata(out)
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sizes == [ROW_GROUP, 5_000 - ROW_GROUP]
    assert pq.read_table(out, columns=["line"]).column("line").to_pylist() == list(range(1, 5_001))
    kept = {key.decode(): value.decode() for key, value in pq.read_schema(out).metadata.items()}
    assert kept == {"scan_id": identity.scan_id, **asdict(identity.versions)}


@pytest.mark.parametrize(
    ("small", "large"), [pytest.param(200, 800, id="short"), pytest.param(2_000, 20_000, marks=pytest.mark.measure)]
)
def test_memory_does_not_grow_with_the_manifest(
    small: int, large: int, application: Application, tmp_path: Path
) -> None:
    """The peak of scanning four or ten times as much is at most 16 MiB and 5% higher: rows are on disk, not here."""
    peaks = []
    for count in (small, large):
        manifest = drawn_manifest(tmp_path / str(count), listings=count, photos=8, edge=200)
        with _peak() as peak:
            scan(application.pipeline, manifest, tmp_path / f"{count}.parquet")
        peaks.append(max(peak))
    print(f"peak memory of {small} listings {peaks[0] / 2**20:.0f} MiB, of {large} {peaks[1] / 2**20:.0f} MiB")

    assert peaks[1] <= 1.05 * peaks[0] + 16 * 2**20


def test_a_plan_writes_nothing(touchstone: Touchstone, tmp_path: Path) -> None:
    """`--plan` says how many listings and images there are, how many are known and how long it takes."""
    manifest, out = drawn_manifest(tmp_path / "in", listings=100), tmp_path / "out.parquet"
    command = ("--data-dir", tmp_path / "data", "--json", "scan", manifest, "--out", out, "--plan")
    first = json.loads(touchstone(*command).stdout)["plan"]
    second = json.loads(touchstone(*command).stdout)["plan"]

    assert (first["listing_count"], first["image_count"], first["reused_image_count"]) == (100, 100, 0)
    assert first["estimated_s"] > 0
    assert second["reused_image_count"] > 0
    assert not out.exists()
    assert not folder_of(out).exists()


def _settings(folder: Path) -> Settings:
    """Compare nothing point by point: 0.1 s a photo, and none of these tests is about it."""
    return settings_at(folder).model_copy(update={"points": "none"})


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    """Open an application for scans, over an empty registry."""
    with open_application(_settings(tmp_path / "data"), exactly=SCAN_BATCH) as opened:
        yield opened


class _Fragile(FakeEmbedder):
    """Fails on crops that are 222 pixels wide."""

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if any(crop.shape[1] == 222 for crop in crops):
            raise RuntimeError("a crop that the network cannot take")
        return super().embed(crops)


def _listing(item: ScanItem) -> Listing:
    return Listing(
        listing_id=item.listing_id,
        images=tuple(Path(image).read_bytes() for image in item.images),
        title=item.title,
        claimed_brand=item.claimed_brand,
        category=item.category,
        price=item.price,
        seller_id=item.seller_id,
    )


def _digests(out: Path) -> set[str]:
    column = pq.read_table(out, columns=["image_sha256"]).column("image_sha256")
    return {digest for row in column.to_pylist() for digest in row}


def _command(data: Path, manifest: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    """Start a scan in a process of its own."""
    code = "from serving.cli.main import main; main()"
    command = [sys.executable, "-c", code, "--data-dir", str(data), "scan", str(manifest), "--out", str(out), *options]
    own = {"TOUCHSTONE_EMBEDDER": "fake", "TOUCHSTONE_POINTS": "none", "PYTHONPATH": os.pathsep.join(sys.path)}
    environment = os.environ | own
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextmanager
def _peak() -> Iterator[list[int]]:
    """Look at this process's memory, in bytes, twenty times a second while a block runs."""
    sizes, done, me = [0], threading.Event(), psutil.Process()

    def look() -> None:
        while not done.wait(0.05):
            sizes.append(me.memory_info().rss)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield sizes
    finally:
        done.set()
        watcher.join()


def _count(parts: Path) -> int:
    return len(list(parts.glob("*.parquet")))


def _until(holds: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S / 0.01)):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"not within {PATIENCE_S} s")
