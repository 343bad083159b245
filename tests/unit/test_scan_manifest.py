"""Manifests become items and faults: every row comes out once, in all three formats alike, whatever its bytes."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import CatalogueError
from index.money import Money
from serving.scan.blocks import ScanEntry, ScanFault, ScanItem
from serving.scan.files import ScanFiles
from serving.scan.filter import EVERYTHING, ScanFilter
from serving.scan.lines import MAX_LINE_BYTES
from serving.scan.sources import open_source

HEADER = b"listing_id,images,title,price,currency,unit_count\n"
Row = dict[str, object]


def read(path: Path, only: ScanFilter = EVERYTHING) -> list[ScanEntry]:
    """Read all entries of a manifest."""
    return list(open_source(str(path), ScanFiles.of_user(), only).entries())


def faults(entries: list[ScanEntry]) -> list[ScanFault]:
    """Pick the faults."""
    return [entry for entry in entries if isinstance(entry, ScanFault)]


def items(entries: list[ScanEntry]) -> list[ScanItem]:
    """Pick the items."""
    return [entry for entry in entries if isinstance(entry, ScanItem)]


def as_jsonl(folder: Path, rows: list[Row]) -> Path:
    """Write rows as JSON Lines."""
    path = folder / "m.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def as_csv(folder: Path, rows: list[Row]) -> Path:
    """Write rows as CSV, with a BOM as spreadsheets do."""
    path = folder / "m.csv"
    names = ["listing_id", "images", "title", "price", "seller_id", "market", "ignored"]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\r\n")
        writer.writeheader()
        for row in rows:
            images, price = row.get("images", []), row.get("price")
            cells = {"images": ";".join(images), "price": price and json.dumps(price)}  # type: ignore[arg-type]
            writer.writerow(row | cells)
    return path


def as_parquet(folder: Path, rows: list[Row]) -> Path:
    """Write rows as Parquet, in row groups of 100."""
    path = folder / "m.parquet"
    price = pa.struct([("amount", pa.float64()), ("currency", pa.string())])
    kinds = [("listing_id", pa.string()), ("images", pa.list_(pa.string())), ("title", pa.string()), ("price", price)]
    schema = pa.schema([*kinds, ("seller_id", pa.string()), ("market", pa.string()), ("ignored", pa.int64())])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=100)
    return path


def many(count: int) -> list[Row]:
    """Make rows of which one in twenty is faulty, in one of five ways."""
    chance = random.Random(7)
    rows: list[Row] = []
    for number in range(count):
        row: Row = {
            "listing_id": f"l{number}",
            "images": [f"img/{number}_{photo}.jpg" for photo in range(number % 4)],
            "title": f'Größe "{number}", blau\nnew line',
            "price": {"amount": number / 4, "currency": "EUR"},
            "seller_id": f"s{number % 7}",
            "market": "DE",
            "ignored": number,
        }
        if number % 20 == 19:
            wrong: list[Row] = [
                {"listing_id": None},
                {"listing_id": f"l{chance.randrange(0, number, 20)}"},
                {"price": {"amount": -1.0, "currency": "EUR"}},
                {"title": "x" * 1_001},
                {"market": "XX"},
            ]
            row |= wrong[number // 20 % 5]
        rows.append(row)
    return rows


@pytest.mark.parametrize("write", [as_jsonl, as_csv, as_parquet])
def test_faulty_rows_cost_no_good_one(tmp_path: Path, write: Callable[[Path, list[Row]], Path]) -> None:
    """Of 400 rows with 20 faulty ones in any format the same 380 items come out, and a fault for each of the others."""
    rows = many(400)

    entries = read(write(tmp_path, rows))

    expected = [row for number, row in enumerate(rows) if number % 20 != 19]
    assert [item.listing_id for item in items(entries)] == [row["listing_id"] for row in expected]
    assert [item.title for item in items(entries)] == [row["title"] for row in expected]
    assert [item.images for item in items(entries)] == [
        tuple(f"{tmp_path}/{image}" for image in row["images"])  # type: ignore[attr-defined]
        for row in expected
    ]
    assert {item.price for item in items(entries)} >= {Money(Decimal("0.25"), "EUR"), Money(Decimal("98.5"), "EUR")}
    assert [fault.code for fault in faults(entries)] == (["MANIFEST_ROW", "DUPLICATE_ID", *["MANIFEST_ROW"] * 3] * 4)


def test_formats_say_the_same(tmp_path: Path) -> None:
    """Entries of the three formats differ in nothing but the lines of CSV, where a record may take several."""
    rows = many(200)

    jsonl, table, parquet = (read(write(tmp_path, rows)) for write in (as_jsonl, as_csv, as_parquet))

    assert jsonl[0] == items(parquet)[0]
    assert items(jsonl) == items(parquet)
    assert [(item.listing_id, item.images, item.price) for item in items(table)] == [
        (item.listing_id, item.images, item.price) for item in items(jsonl)
    ]
    assert [(fault.line, fault.listing_id, fault.code) for fault in faults(jsonl)] == [
        (fault.line, fault.listing_id, fault.code) for fault in faults(parquet)
    ]
    lines = (tmp_path / "m.csv").read_text(encoding="utf-8-sig").split("\n")
    assert len(table) == len(jsonl)
    assert all(lines[entry.line - 1].startswith(f"{entry.listing_id},") for entry in table)


@pytest.mark.parametrize(
    ("line", "listing_id", "message"),
    [
        ("{", "", "not a line of JSON in UTF-8"),
        ("[1]", "", "write one JSON object a line"),
        ('{"title": "x"}', "", "listing_id: None is not allowed; give a string"),
        ('{"listing_id": 7}', "", "listing_id: 7 is not allowed"),
        ('{"listing_id": "\\ud800"}', "", "lone surrogates"),
        ('{"listing_id": "b", "title": "\\ud800"}', "b", "title: .* lone surrogates"),
        ('{"listing_id": "b", "images": "b.jpg"}', "b", "images: 'b.jpg' is not allowed; give a list"),
        ('{"listing_id": "b", "images": [""]}', "b", "a list of paths"),
        (json.dumps({"listing_id": "b", "images": ["x.jpg"] * 65}), "b", "images: has 65 images; send at most 64"),
        (json.dumps({"listing_id": "b", "title": "x" * 1_001}), "b", "title: has 1001 characters; send at most 1000"),
        ('{"listing_id": "b", "title": "\\u0000"}', "b", "NUL"),
        ('{"listing_id": "b\\nc"}', "", "control character"),
        ('{"listing_id": "b", "market": "de"}', "b", "market: 'de' is not an ISO 3166-1"),
        ('{"listing_id": "b", "unit_count": 2000000}', "b", "unit_count: 2000000 is out of range"),
        ('{"listing_id": "b", "price": {"amount": "5", "currency": "EUR"}}', "b", "price: amount: '5' is not allowed"),
        ('{"listing_id": "b", "price": {"amount": 5, "currency": "BTC"}}', "b", "ISO 4217"),
        ('{"listing_id": "b", "price": {"amount": 1e12, "currency": "EUR"}}', "b", "not plausible"),
        ('{"listing_id": "b", "price": {"amount": 1e99, "currency": "EUR"}}', "b", "does not fit"),
        ('{"listing_id": "b", "price": {"amount": 1e99999999999999999999, "currency": "EUR"}}', "", "not a line"),
        ("[" * 100_000, "", "not a line of JSON"),
        ('{"listing_id": "b", "title": ' + "[" * 300 + "]" * 300 + "}", "b", "title: .* give a string"),
        ('{"listing_id": "a"}', "a", "came before, on line 1"),
    ],
)
def test_fault_says_line_listing_and_remedy(tmp_path: Path, line: str, listing_id: str, message: str) -> None:
    """What is wrong with a row is named under its line and listing, and the next row is read."""
    path = tmp_path / "m.jsonl"
    path.write_text(f'{{"listing_id": "a"}}\n\n{line}\n{{"listing_id": "c"}}', encoding="utf-8")

    first, fault, last = read(path)

    assert isinstance(fault, ScanFault)
    assert (first.line, fault.line, last.line) == (1, 3, 4)
    assert fault.listing_id == listing_id
    assert fault.code == ("DUPLICATE_ID" if "came before" in message else "MANIFEST_ROW")
    assert re.search(message, fault.message), fault.message


def test_sound_row_counts_and_a_faulty_one_claims_nothing(tmp_path: Path) -> None:
    """A listing whose first row is faulty is read from its second; the third is a duplicate of that."""
    path = tmp_path / "m.jsonl"
    path.write_text('{"listing_id": "a", "unit_count": 0}\n{"listing_id": "a", "title": "t"}\n{"listing_id": "a"}\n')

    bad, good, again = read(path)

    assert isinstance(good, ScanItem)
    assert (bad.line, good.title) == (1, "t")
    assert isinstance(again, ScanFault)
    assert (again.code, "line 2" in again.message) == ("DUPLICATE_ID", True)


def test_bytes_that_are_no_text_and_endless_lines_are_faults(tmp_path: Path) -> None:
    """Latin-1 and a line beyond the cap are named; a BOM, blank lines and Windows' line ends are no fault."""
    path = tmp_path / "m.jsonl"
    long = b'{"listing_id": "%s"}' % (b"x" * MAX_LINE_BYTES)
    rows = [b'\xef\xbb\xbf{"listing_id": "a"}\r', b'{"listing_id": "\xfc"}', b" \r", long, b'{"listing_id": "b"}']
    path.write_bytes(b"\n".join(rows))

    entries = read(path)

    assert [(entry.line, entry.listing_id) for entry in entries] == [(1, "a"), (2, ""), (4, ""), (5, "b")]
    assert [fault.message.split(";")[-1] for fault in faults(entries)] == [" write one object a line.", " shorten it."]


@pytest.mark.parametrize(
    ("cells", "images", "price"),
    [
        (b"a;b.jpg ; c.jpg;,5,EUR", ("a", "b.jpg", "c.jpg"), Money(Decimal(5), "EUR")),
        (b'"[""a;b.jpg""]",49.90,EUR', ("a;b.jpg",), Money(Decimal("49.90"), "EUR")),
        (b'http://h/x.jpg,"{""amount"": 1, ""currency"": ""USD""}",', ("http://h/x.jpg",), Money(Decimal(1), "USD")),
        (b",,EUR", (), None),
    ],
)
def test_cells_of_csv(tmp_path: Path, cells: bytes, images: tuple[str, ...], price: Money | None) -> None:
    """Images are separated by semicolons or a JSON list; a price has its currency beside it or is an object."""
    path = tmp_path / "m.csv"
    path.write_bytes(b"listing_id,images,price,currency\nx," + cells)

    (item,) = items(read(path))

    assert item.images == tuple(image if "://" in image else f"{tmp_path}/{image}" for image in images)
    assert item.price == price


def test_broken_record_costs_one_line(tmp_path: Path) -> None:
    """A quote never closed, a cell too many and bytes that are no UTF-8 are faults of the line they begin on."""
    path = tmp_path / "m.csv"
    rows = [
        b'a,,"never closed,,,',
        b'b,,"title, quoted",1,EUR,1',
        b"c,,one, two,,,",
        b"d,,\xfc,,,",
        b'e,,"in ""quotes""\non two lines",,,2.0',
        b"f,,,1,,",
        b"g,,,,,1.5",
        b"",
        b"h,,,,,",
    ]
    path.write_bytes(HEADER + b"\n".join(rows))

    entries = read(path)

    assert [(entry.line, entry.listing_id) for entry in entries] == [
        (2, ""), (3, "b"), (4, ""), (5, "d"), (6, "e"), (8, "f"), (9, "g"), (11, "h"),
    ]  # fmt: skip
    assert [item.listing_id for item in items(entries)] == ["b", "e", "h"]
    assert items(entries)[1].unit_count == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("m.csv", b"", "is empty"),
        ("m.csv", b"id;title\nx;y\n", "no column listing_id"),
        ("m.csv", b"listing_id,title,title\n", "column title stands there twice"),
        ("m.csv", "listing_id,title\n".encode("utf-16"), "no header"),
        ("m.csv", b'"listing_id', "no header"),
        ("m.parquet", b"PAR1 or not", "no Parquet file"),
        ("m.txt", b"", r"give a manifest that ends in \.jsonl, \.csv, \.parquet"),
        ("none.csv/m.csv", None, "no such file"),
    ],
)
def test_what_is_no_manifest_is_refused_at_once(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """A file that cannot be read as a whole is bad input, told before anything is scanned."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CatalogueError, match=says) as refused:
        open_source(str(path), ScanFiles.of_user())

    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ({"listing_id": [1]}, "listing_id is of type int64; write it as string"),
        ({"listing_id": ["a"], "images": [[1]]}, "images is of type list<.*int64>; write it as list<string>"),
        ({"title": ["a"]}, "no column listing_id"),
    ],
)
def test_column_of_another_type_is_refused(tmp_path: Path, column: dict[str, object], says: str) -> None:
    """A Parquet file says its types, so a wrong one is told once, not for each row."""
    path = tmp_path / "m.parquet"
    pq.write_table(pa.table(column), path)

    with pytest.raises(CatalogueError, match=says):
        open_source(str(path), ScanFiles.of_user())


def test_damaged_row_group_is_one_fault(tmp_path: Path) -> None:
    """Of three row groups the middle one's pages are overwritten: its rows are named, the others are read."""
    path = as_parquet(tmp_path, [{"listing_id": f"l{number}"} for number in range(300)])
    group = pq.ParquetFile(path).metadata.row_group(1).column(0)
    content = bytearray(path.read_bytes())
    start = group.dictionary_page_offset or group.data_page_offset
    content[start : start + group.total_compressed_size] = b"\xff" * group.total_compressed_size
    path.write_bytes(content)

    entries = read(path)

    assert [item.line for item in items(entries)] == [*range(1, 101), *range(201, 301)]
    (fault,) = faults(entries)
    assert (fault.line, fault.code) == (101, "MANIFEST_ROW")
    assert "the rows 101 to 200 cannot be read" in fault.message


def test_scan_can_be_scanned(tmp_path: Path) -> None:
    """The price columns of a scan's own file are read as a manifest's."""
    path = tmp_path / "m.parquet"
    prices = {"price_amount": [49.9, None, float("nan")], "price_currency": ["EUR", None, "EUR"]}
    pq.write_table(pa.table({"listing_id": ["a", "b", "c"], **prices}), path)

    first, second, fault = read(path)

    assert isinstance(first, ScanItem)
    assert isinstance(second, ScanItem)
    assert (first.price, second.price) == (Money(Decimal("49.9"), "EUR"), None)
    assert isinstance(fault, ScanFault)
    assert "amount: nan is not allowed" in fault.message


def test_filter_leaves_out_rows_and_no_fault(tmp_path: Path) -> None:
    """A filter takes away sound rows of others; faults stay, and a row that was left out still has its id."""
    path = tmp_path / "m.jsonl"
    rows = [{"listing_id": "a", "seller_id": "s1"}, {"listing_id": "b", "seller_id": "s2"}, {"seller_id": "s1"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"listing_id": "a", "seller_id": "s2"}]))

    entries = read(path, ScanFilter(sellers=frozenset({"s2"})))

    assert [(entry.line, entry.listing_id) for entry in entries] == [(2, "b"), (3, ""), (4, "a")]
    assert [fault.code for fault in faults(entries)] == ["MANIFEST_ROW", "DUPLICATE_ID"]


def test_digest_is_of_content(tmp_path: Path) -> None:
    """The same bytes have the same digest, wherever they lie and whatever is read of them; nothing else has."""
    (tmp_path / "other").mkdir()
    rows: list[Row] = [{"listing_id": "a"}]
    here, there = as_jsonl(tmp_path, rows), as_jsonl(tmp_path / "other", rows)

    def digest(path: Path, only: ScanFilter = EVERYTHING) -> str:
        return open_source(str(path), ScanFiles.of_user(), only).digest

    assert digest(here) == digest(there) == digest(here, ScanFilter(markets=frozenset({"DE"})))
    assert digest(as_jsonl(tmp_path / "other", [{"listing_id": "b"}])) != digest(here)


def lines_of(content: bytes) -> int:
    """Count the lines that are not blank."""
    return sum(bool(line.strip()) for line in content.split(b"\n"))


_PIECES = st.sampled_from(
    [
        *(b'"', b'""', b"\n", b"\r\n", b"\r", b",", b";", b"{", b"}", b"[", b"]", b":", b"a", b"b", b"5"),
        *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b'{"listing_id": "a"}', b'\na,x.jpg,"t\nu",5,EUR,1\n'),
        *(b"\nb,,,,,\n", b"\nc,,,NaN,EUR,\n", b'\nd,"[[]",,{},,1e99\n'),
        b'{"listing_id": "b", "price": {"amount": 1e400, "currency": "EUR"}}',
    ]
)
_BYTES = st.lists(_PIECES | st.binary(max_size=8), max_size=30).map(b"".join)


@settings(deadline=None, max_examples=300)
@given(content=_BYTES)
def test_any_bytes_are_lines_accounted_for_once(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever stands in a file of lines, each that is not blank is one item or one fault, in order."""
    path = tmp_path_factory.mktemp("fuzz", numbered=True) / "m.jsonl"
    path.write_bytes(content)

    entries = read(path)

    assert len(entries) == lines_of(content.removeprefix(b"\xef\xbb\xbf"))
    assert [entry.line for entry in entries] == sorted({entry.line for entry in entries})
    assert len({item.listing_id for item in items(entries)}) == len(items(entries))


@settings(deadline=None, max_examples=300)
@given(content=_BYTES)
def test_any_bytes_below_a_header_are_records_or_faults(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Whatever stands below a header, each line belongs to one record: none is passed over, none comes twice."""
    path = tmp_path_factory.mktemp("fuzz", numbered=True) / "m.csv"
    path.write_bytes(HEADER + content)

    entries = read(path)

    numbers = [entry.line for entry in entries]
    assert numbers == sorted(set(numbers))
    assert all(entry.listing_id for entry in items(entries))
    # A record may take more lines than one, but only between quotes.
    if b'"' not in content and b"\r" not in content.replace(b"\r\n", b""):
        assert len(entries) == lines_of(content)


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, 10_000), patch=st.binary(min_size=1, max_size=20))
def test_damaged_parquet_is_refused_or_read(tmp_path_factory: pytest.TempPathFactory, cut: int, patch: bytes) -> None:
    """Bytes changed anywhere in a Parquet file give entries and faults, or a refusal at once."""
    path = as_parquet(tmp_path_factory.mktemp("fuzz"), many(25))
    content = bytearray(path.read_bytes())
    start = cut % len(content)
    content[start : start + len(patch)] = patch
    path.write_bytes(content)

    try:
        lines = [entry.line for entry in read(path)]
    except CatalogueError as error:
        lines = []
        refusal = str(error)
    else:
        refusal = ""

    assert refusal.startswith(str(path)) if refusal else lines == sorted(set(lines))
