"""Two scans are compared by listing, whatever their order and size; what is no scan is refused in a sentence."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from index.errors import CatalogueError
from serving.scan.diff import ScanDiff, comparing
from serving.scan.file import open_scan
from serving.scan.rows import SCHEMA, ScanRow, to_table
from tests.integration.support import Touchstone

VERDICTS = ("ALLOW", "REVIEW", "TAKEDOWN")
MANY = 200_000
_DIFF = """
import json, re, sys, time
from pathlib import Path
from serving.cli.scan_diff import _write
from serving.scan.diff import comparing
from serving.scan.file import open_scan

def peak_mib():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

before, after, out = map(Path, sys.argv[1:])
imported, begin = peak_mib(), time.perf_counter()
with open_scan(before) as was, open_scan(after) as now, comparing() as comparison:
    found = comparison.compare(was, now)
    _write(out, comparison.changes())
seconds = time.perf_counter() - begin
print(json.dumps(dict(changed=found.changed, seconds=seconds, peak_mib=peak_mib(), imported_mib=imported)))
"""
CODES = ("LOW_PRICE", "BRAND_SEEN", "SELLER_NEW")


def row(
    listing_id: str, verdict: str = "ALLOW", *reasons: str, brand: str | None = "Aurora", p: float = 0.1
) -> ScanRow:
    """Make a row."""
    return ScanRow(
        listing_id=listing_id, line=1, verdict=verdict, counterfeit_probability=p, brand=brand, reasons=reasons
    )


def write(path: Path, rows: Iterable[ScanRow], **metadata: str) -> Path:
    """Write a scan's file."""
    pq.write_table(to_table(list(rows), {"scan_id": path.stem, **metadata}), path)
    return path


def compare(before: Path, after: Path) -> ScanDiff:
    """Compare two files."""
    with open_scan(before) as was, open_scan(after) as now, comparing() as comparison:
        return comparison.compare(was, now)


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Write two scans: graver, milder, other reasons, the same, and one listing in either alone."""
    before = [
        row("same", "REVIEW", "LOW_PRICE"),
        row("graver", "ALLOW", "BRAND_SEEN", p=0.2),
        row("milder", "TAKEDOWN", "LOW_PRICE", "BRAND_SEEN", brand="[b]Zenith[/b]"),
        row("reasons", "REVIEW", "LOW_PRICE", "BRAND_SEEN"),
        row("gone", "REVIEW"),
    ]
    after = [
        row("reasons", "REVIEW", "BRAND_SEEN", "SELLER_NEW"),
        row("graver", "REVIEW", "BRAND_SEEN", "LOW_PRICE", p=0.75),
        row("new", "TAKEDOWN", brand=None),
        row("same", "REVIEW", "LOW_PRICE"),
        row("milder", "ALLOW", brand="[b]Zenith[/b]"),
    ]
    versions = {"model_fingerprint": "m@1", "policy_version": "p@1"}
    return (
        write(tmp_path / "before.parquet", before, **versions),
        write(tmp_path / "after.parquet", after, **(versions | {"policy_version": "p@2"})),
    )


def test_changes_are_counted_by_verdict_reason_brand_and_version(two: tuple[Path, Path]) -> None:
    """Each listing stands in one cell; reasons, brands, examples and versions say what moved."""
    found = compare(*two)

    assert (found.before, found.after, found.both, found.changed) == (5, 5, 4, 2)
    assert found.verdicts == {("REVIEW", "REVIEW"): 2, ("ALLOW", "REVIEW"): 1, ("TAKEDOWN", "ALLOW"): 1}
    assert (found.only_before, found.only_after) == ({"REVIEW": 1}, {"TAKEDOWN": 1})
    assert found.gained == {"LOW_PRICE": 1, "SELLER_NEW": 1}
    assert found.lost == {"LOW_PRICE": 2, "BRAND_SEEN": 1}
    assert found.versions == {"policy_version": ("p@1", "p@2")}
    assert [(one.brand, one.changed, one.graver, one.milder) for one in found.brands] == [
        ("Aurora", 1, 1, 0),
        ("[b]Zenith[/b]", 1, 0, 1),
    ]
    (example,) = found.examples["ALLOW", "REVIEW"]
    assert (example.listing_id, example.probability_before, example.probability_after) == ("graver", 0.2, 0.75)


def test_order_of_the_files_changes_nothing(tmp_path: Path) -> None:
    """However the rows stand, the counts are those of a plain comparison in memory."""
    chance = random.Random(7)
    before = {f"l{number:05d}": row(f"l{number:05d}", *made(chance)) for number in range(3_000)}
    after = {
        name: replace(one, verdict=chance.choice(VERDICTS)) for name, one in before.items() if chance.random() < 0.9
    }
    mixed = list(after.values())
    chance.shuffle(mixed)

    found = compare(write(tmp_path / "a.parquet", before.values()), write(tmp_path / "b.parquet", mixed))

    assert found.verdicts == Counter((before[name].verdict, one.verdict) for name, one in after.items())
    assert found.only_before == Counter(one.verdict for name, one in before.items() if name not in after)
    assert (found.only_after, found.gained, found.lost, found.versions) == ({}, {}, {}, {})


def made(chance: random.Random) -> tuple[str, ...]:
    """Draw a verdict and reasons."""
    return (chance.choice(VERDICTS), *chance.sample(CODES, chance.randrange(3)))


def write_many(path: Path, count: int, verdict: str, *, step: int = 1) -> Path:
    """Write many rows quickly, each of a brand of its own; `step` scatters the order, and must share no factor."""
    page = 4_000
    template = to_table([row("", verdict)] * page)
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for start in range(0, count, page):
            numbers = [n * step % count for n in range(start, start + page)]
            table = template
            for name, words in (("listing_id", "l{:08d}"), ("brand", "brand {}")):
                place = SCHEMA.get_field_index(name)
                column = pa.array([words.format(n) for n in numbers], pa.string())
                table = table.set_column(place, SCHEMA.field(name), column)
            writer.write_table(table)
    return path


@pytest.mark.measure
def test_many_rows_are_compared_in_bounded_memory(tmp_path: Path) -> None:
    """Hundreds of thousands of rows in different orders, all changed: how long, and how much memory at most."""
    before = write_many(tmp_path / "a.parquet", MANY, "ALLOW")
    after = write_many(tmp_path / "b.parquet", MANY, "REVIEW", step=7_919)
    command = [sys.executable, "-c", _DIFF, str(before), str(after), str(tmp_path / "out.parquet")]

    said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    seconds, peak, imported = said["seconds"], said["peak_mib"], said["imported_mib"]
    print(f"\n2 x {MANY:,} rows compared in {seconds:.0f} s, at most {peak:.0f} MiB ({imported:.0f} before)")
    assert said["changed"] == MANY
    assert pq.read_metadata(tmp_path / "out.parquet").num_rows == MANY
    assert said["peak_mib"] - said["imported_mib"] < 250


def test_command_says_it_in_words(two: tuple[Path, Path], touchstone: Touchstone) -> None:
    """The text names counts, versions, reasons and examples; a seller's markup stays text."""
    said = touchstone("scan", "diff", *two)

    assert said.code == 0
    assert "2 of 4 listings have another verdict" in said.stdout
    assert "policy_version: p@1 -> p@2" in said.stdout
    assert "[b]Zenith[/b]" in said.stdout
    assert "0.20 -> 0.75" in said.stdout
    assert "+ LOW_PRICE" in said.stdout


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_command_writes_every_change(
    two: tuple[Path, Path], tmp_path: Path, touchstone: Touchstone, suffix: str
) -> None:
    """The file has a row for each listing that differs in verdict or reasons, and nothing else; JSON has the counts."""
    out = tmp_path / f"diff{suffix}"

    said = touchstone("scan", "diff", *two, "--out", out, "--json", "--limit", "0")

    table = pq.read_table(out) if suffix == ".parquet" else pyarrow.csv.read_csv(out)
    changes = {change["listing_id"]: change for change in table.to_pylist()}
    assert list(changes) == ["gone", "graver", "milder", "new", "reasons"]
    assert changes["graver"]["reasons_gained"] == "LOW_PRICE"
    assert changes["milder"]["verdict_after"] == "ALLOW"
    document = json.loads(said.stdout)
    assert document["verdicts"] == {"ALLOW>REVIEW": 1, "REVIEW>REVIEW": 2, "TAKEDOWN>ALLOW": 1}
    assert document["examples"] == []


def test_what_is_no_scan_is_refused(two: tuple[Path, Path], tmp_path: Path, touchstone: Touchstone) -> None:
    """A text, another table and an unknown kind of output end with exit code 2 and say what is wrong."""
    text, table = tmp_path / "text.parquet", tmp_path / "table.parquet"
    text.write_text("no Parquet")
    pq.write_table(pa.table({"listing_id": ["a"]}), table)

    refused = [
        touchstone("scan", "diff", text, two[1]),
        touchstone("scan", "diff", two[0], table),
        touchstone("scan", "diff", *two, "--out", tmp_path / "diff.txt"),
    ]

    assert [one.code for one in refused] == [2, 2, 2]
    assert "text.parquet: cannot be read as Parquet" in refused[0].stderr
    assert "table.parquet: is not a scan's: line, verdict" in refused[1].stderr
    assert ".csv or .parquet" in refused[2].stderr


def test_damaged_rows_are_named(two: tuple[Path, Path]) -> None:
    """A file whose pages were overwritten is no result: the error names it."""
    content = bytearray(two[0].read_bytes())
    content[4:400] = bytes(396)
    two[0].write_bytes(content)

    with pytest.raises(CatalogueError, match=r"before\.parquet: is damaged"):
        compare(*two)
