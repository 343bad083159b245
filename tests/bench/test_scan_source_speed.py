"""How fast is a manifest read, and in how much memory? To read (`pytest -s`)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

ROWS, GROUP = 2_000_000, 100_000
_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835  # times a number, modulo 2^128: each comes once, in no order
# The ids' cache has 32 MiB, a row group of 100,000 the rest.
MOST_MIB = 200
# Sampled, for what getrusage calls the peak begins with that of the process that started this one.
READ = """
import sys, time, psutil
from serving.scan.files import ScanFiles
from serving.scan.sources import open_source
source, process = open_source(sys.argv[1], ScanFiles.of_user()), psutil.Process()
before, began = process.memory_info().rss, time.process_time()
peak = before
for count, _ in enumerate(source.entries(), start=1):
    if count % 1_000 == 0:
        peak = max(peak, process.memory_info().rss)
print(count, count / (time.process_time() - began), before / 2**20, peak / 2**20)
"""


@pytest.mark.measure
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_reading_a_long_manifest(tmp_path: Path, suffix: str) -> None:
    """Rows for each second of the processor and peak memory of two million rows with ids in no order."""
    path = tmp_path / f"m{suffix}"
    _write(path)

    done = subprocess.run([sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True)

    count, speed, before, peak = map(float, done.stdout.split())
    print(f"\n{suffix}: {speed:,.0f} rows per CPU second, {before:,.0f} MiB at the start, {peak:,.0f} at most")
    assert count == ROWS
    assert peak - before < MOST_MIB


def _write(path: Path) -> None:
    tables = _tables()
    if path.suffix == ".jsonl":
        with path.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for table in tables for row in table.to_pylist())
        return
    first = next(tables)
    if path.suffix == ".csv":
        cells = [name for name in first.column_names if name not in {"images", "price"}]
        with pyarrow.csv.CSVWriter(path, first.select(cells).schema) as csv_file:
            for table in (first, *tables):
                csv_file.write_table(table.select(cells))
        return
    with pq.ParquetWriter(path, first.schema) as parquet_file:
        for table in (first, *tables):
            parquet_file.write_table(table)


def _tables() -> Iterator[pa.Table]:
    for start in range(0, ROWS, GROUP):
        numbers = range(start, start + GROUP)
        yield pa.table(
            {
                "listing_id": [str(UUID(int=number * _ODD % 2**128)) for number in numbers],
                "images": [[f"img/{number}_{photo}.jpg" for photo in range(1 + number % 3)] for number in numbers],
                "title": [f"running shoes, leather, size {number % 50}" for number in numbers],
                "description": [f"worn twice, in its box, number {number} " * 6 for number in numbers],
                "price": [{"amount": number % 20_000 / 100, "currency": "EUR"} for number in numbers],
                "seller_id": [f"s{number % 50_000}" for number in numbers],
                "market": ["DE"] * GROUP,
            }
        )
