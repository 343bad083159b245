"""How much memory and time does the report of a million listings take? Figures on a made-up scan of that size."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from serving.scan.rows import SCHEMA

ROWS, GROUP, SELLERS, BRANDS = 1_000_000, 4_096, 300_000, 6_000
MOST_MB = 400.0
_REPORT = """
import json, re, sys, time
from pathlib import Path
from serving.cli.main import touchstone

begin = time.perf_counter()
touchstone.main(["scan", "report", sys.argv[1], "--html", sys.argv[2]], standalone_mode=False)
peak = int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024 / 1e6
print(json.dumps(dict(seconds=time.perf_counter() - begin, peak_mb=peak)))
"""


def tables() -> Iterator[pa.Table]:
    """Make a million listings, a photo each: every tenth photo is another seller's too, one listing in 40 is flagged.

    Most sellers have few listings and some many thousands; a third of the listings show a mark.
    """
    random = np.random.default_rng(0)
    for first in range(0, ROWS, GROUP):
        count = min(GROUP, ROWS - first)
        numbers = np.arange(first, first + count)
        photos = np.where(random.random(count) < 0.1, random.integers(0, ROWS, count) // 3 * 3, numbers)
        sellers = (SELLERS * random.power(0.7, count)).astype(int)
        brands = (BRANDS * random.power(0.4, count)).astype(int)
        flagged, matched = random.random(count) < 0.025, random.random(count) < 1 / 3
        columns = {
            "listing_id": [f"listing-{number:09d}" for number in numbers],
            "line": numbers + 1,
            "verdict": np.where(flagged, np.where(random.random(count) < 0.2, "TAKEDOWN", "REVIEW"), "ALLOW"),
            "counterfeit_probability": random.random(count) * np.where(flagged, 1, 0.4),
            "brand": [f"Brand {brand}" for brand in brands],
            "category": [f"Fashion > Kind {number % 300}" for number in numbers],
            "reasons": [["VISUAL_MATCH", "PRICE_TOO_LOW"] if one else [] for one in flagged],
            "policy_version": ["base@1"] * count,
            "title": [f"Nice thing number {number}, new with tags, shipped today" for number in numbers],
            "seller_id": [f"seller-{seller:07d}" for seller in sellers],
            "price_amount": np.round(random.lognormal(4, 0.5, count), 2),
            "price_currency": ["EUR"] * count,
            "images": [[f"/photos/{number % 1000:03d}/{number}.jpg"] for number in numbers],
            "match_brand": pa.array([f"Brand {brand}" for brand in brands], mask=~matched),
            "match_score": pa.array(random.random(count), mask=~matched),
            "match_image": pa.array(np.zeros(count, np.int32), mask=~matched),
            "image_sha256": [[f"{photo:064x}"] for photo in photos],
            "image_hashes": [[np.random.default_rng(photo).bytes(32)] for photo in photos],
            "facts": [b"f" * 400] * count,
        }
        empty = {field.name: pa.nulls(count, field.type) for field in SCHEMA if field.name not in columns}
        yield pa.table({name: (columns | empty)[name] for name in SCHEMA.names}, schema=SCHEMA)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a scan of a million listings."""
    path = tmp_path_factory.mktemp("million") / "out.parquet"
    with pq.ParquetWriter(path, SCHEMA.with_metadata({"scan_id": "million"})) as writer:
        for table in tables():
            writer.write_table(table)
    return path


@pytest.mark.measure
@pytest.mark.timeout(3_600)
def test_the_report_of_a_million_fits_in_little_memory(scan: Path) -> None:
    """The whole command, imports included, stays under 400 MB."""
    command = [sys.executable, "-c", _REPORT, str(scan), str(scan.with_suffix(".html"))]

    done = subprocess.run(command, check=True, capture_output=True, text=True)

    measured = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{done.stdout}")
    assert measured["peak_mb"] < MOST_MB
