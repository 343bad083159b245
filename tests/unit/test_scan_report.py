"""A scan's report counts right, keeps what is strongest in bounded memory, and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from index.errors import CatalogueError
from index.money import ExchangeRates
from serving.scan.files import ScanFiles
from serving.scan.report import MOST_FLAGGED, MOST_MATCHES, ScanReport, read_report
from serving.scan.report_charts import plain
from serving.scan.report_faults import EXAMPLES, UNREADABLE, read_faults
from serving.scan.report_page import write_page
from serving.scan.report_pictures import Pictures
from serving.scan.report_prices import MOST_POINTS
from serving.scan.report_tallies import NameTally, Strongest
from serving.scan.rows import ScanRow, to_table
from tests.integration.support import draw

LINKS = {"#content", "#about", "#names", "#prices", "#matches", "#listings", "#rings", "#faults"}
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u202e{{ 7*7 }}</style></script><!--"


def a_row(number: int, verdict: str = "ALLOW", **fields: Any) -> ScanRow:
    """Make a row."""
    return ScanRow(listing_id=fields.pop("listing_id", f"l{number}"), line=number, verdict=verdict, **fields)


def a_photo(seller: str, number: int, picture: int, *, pdq: bytes | None = None) -> ScanRow:
    """Make a row with one photo that shows a picture."""
    digest = hashlib.sha256(str(picture).encode()).digest()
    hashes = (digest if pdq is None else pdq,)
    return a_row(
        number, seller_id=seller, images=(f"/gone/{picture}",), image_sha256=(digest.hex(),), image_hashes=hashes
    )


def a_scan(folder: Path, rows: Sequence[ScanRow], **metadata: str) -> Path:
    """Write rows as a scan does, in row groups of 100."""
    path = folder / "out.parquet"
    pq.write_table(to_table(rows, {"scan_id": "s1"} | metadata), path, row_group_size=100)
    return path


def report_of(path: Path, faults: Path | None = None) -> ScanReport:
    """Read a report."""
    return read_report(path, ExchangeRates.load(), faults=faults)


def page_of(path: Path) -> str:
    """Write a page, and read it."""
    page = path.with_suffix(".html")
    write_page(page, report_of(path), scan=path, pictures=Pictures(ScanFiles.of_user()))
    return page.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """What a browser makes of a page, roughly: its elements with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))


# --- counts ----------------------------------------------------------------------------------------------------------


def test_verdicts_names_and_versions_are_counted(tmp_path: Path) -> None:
    """Each table counts listings by verdict; a brand that only a photo shows counts; the most flagged come first."""
    rows = [
        a_row(1, "TAKEDOWN", brand="Nike", seller_id="s1", reasons=("COPY", "PRICE"), policy_version="p@1"),
        a_row(2, "REVIEW", match_brand="Nike", match_score=0.6, seller_id="s1", category="shoes", policy_version="p@1"),
        a_row(3, brand="Puma", seller_id="s2", category="shoes", policy_version="p@2"),
        a_row(4, "REVIEW", error="unreadable"),
    ]

    report = report_of(a_scan(tmp_path, rows, policy_version="p@1"))

    tables = {
        table.kind: [(row.name, row.taken_down, row.reviewed, row.allowed) for row in table.rows]
        for table in report.tables
    }
    assert (report.rows, report.errors) == (4, 1)
    assert report.verdicts == {"TAKEDOWN": 1, "REVIEW": 2, "ALLOW": 1}
    assert tables["brand"] == [("Nike", 1, 1, 0), ("(unknown)", 0, 1, 0), ("Puma", 0, 0, 1)]
    assert tables["seller"] == [("s1", 1, 1, 0), ("(unknown)", 0, 1, 0), ("s2", 0, 0, 1)]
    assert tables["reason"] == [("COPY", 1, 0, 0), ("PRICE", 1, 0, 0)]
    assert report.versions["policy_version"] == (("p@1", 2), ("p@2", 1))
    assert report.metadata["policy_version"] == "p@1"


def test_names_without_end_are_counted_within_bounds() -> None:
    """However many names there are, at most so many are kept, and no count is off by more than is said."""
    random = np.random.default_rng(0)
    names = [f"n{name}" for name in np.minimum(random.zipf(1.3, 20_000), 5_000)]
    tally = NameTally(most=200)

    for start in range(0, len(names), 500):
        piece = names[start : start + 500]
        tally.add(pa.array(piece), pa.array(["REVIEW"] * len(piece)))

    assert len(tally) <= 200
    assert tally.forgotten > 0
    for row in tally.top(10):
        assert 0 <= names.count(row.name) - row.listings <= tally.forgotten


def test_strongest_are_those_of_sorting_all() -> None:
    """Piece by piece comes to the same as sorting: the highest keys, one of each kind, the first among equals."""
    random = np.random.default_rng(1)
    keys = random.integers(0, 50, 1_000) / 50
    kinds = random.integers(0, 300, 1_000)
    table = pa.table({"number": np.arange(1_000)})
    strongest = Strongest(20)

    for start in range(0, 1_000, 90):
        piece = slice(start, start + 90)
        strongest.offer(table.slice(start, 90), keys[piece], kinds[piece].tolist())

    best: dict[int, int] = {}
    for number in np.argsort(-keys, kind="stable").tolist():
        best.setdefault(int(kinds[number]), number)
    assert [kept.key for kept in strongest.rows()] == [keys[number] for number in list(best.values())[:20]]


def test_what_is_shown_is_bounded(tmp_path: Path) -> None:
    """Of many rows the page keeps so many: the gravest listings, the strongest matches, each photo once."""
    rows = [
        a_row(
            number,
            "REVIEW",
            counterfeit_probability=number / 1_000,
            match_score=number / 1_000,
            match_image=0,
            images=("/gone",),
            image_sha256=(hashlib.sha256(str(number // 2).encode()).hexdigest(),),
            image_hashes=(b"",),
        )
        for number in range(1_000)
    ]

    report = report_of(a_scan(tmp_path, rows))

    assert [kept.row["listing_id"] for kept in report.flagged] == [f"l{999 - place}" for place in range(MOST_FLAGGED)]
    assert [kept.row["listing_id"] for kept in report.matches] == [f"l{999 - 2 * n}" for n in range(MOST_MATCHES)]
    assert (report.matches[0].alike, report.matched) == (2, 500)


def test_a_faint_match_is_none(tmp_path: Path) -> None:
    """What a photo resembles a little is neither its brand nor a match."""
    rows = [a_row(1, "REVIEW", match_brand="Nike", match_score=0.06, match_image=0, images=("/gone",))]

    report = report_of(a_scan(tmp_path, rows))

    assert (report.matched, report.matches) == (0, ())
    assert report.tables[0].rows[0].name == "(unknown)"
    assert "Nike" not in page_of(tmp_path / "out.parquet")


# --- prices ----------------------------------------------------------------------------------------------------------


def test_prices_are_in_one_currency_and_sampled(tmp_path: Path) -> None:
    """Prices are converted to the commonest currency; what cannot be drawn is counted; points are bounded."""
    euro = {"price_currency": "EUR", "brand": "Nike"}
    rows = [a_row(number, price_amount=50.0 + number, **euro) for number in range(MOST_POINTS + 50)]
    rows += [a_row(900, "REVIEW", brand="Nike", price_amount=10.0, price_currency="USD")]
    rows += [a_row(901, price_amount=0.0, **euro), a_row(902, brand="Nike", price_amount=5.0, price_currency="XXX")]

    prices = report_of(a_scan(tmp_path, rows)).prices

    assert prices is not None
    (nike,) = prices.brands
    (dollar,) = [point for point in nike.points if point.verdict == "REVIEW"]
    assert (prices.currency, nike.listings, nike.flagged) == ("EUR", MOST_POINTS + 51, 1)
    assert len(nike.points) == MOST_POINTS + 1
    assert dollar.amount == pytest.approx(10 * float(ExchangeRates.load().factor("USD", "EUR")))
    assert prices.unusable == {"not above zero": 1, "no exchange rate for XXX": 1}


# --- rings -----------------------------------------------------------------------------------------------------------


def test_sellers_with_shared_photos_are_joined(tmp_path: Path) -> None:
    """The same file and a near hash join sellers; stock, blank photos and those that were not read join nobody."""
    near = bytearray(hashlib.sha256(b"2").digest())
    near[0] ^= 0b1111
    rows = [a_photo("a", 1, 1), a_photo("b", 2, 1), a_photo("b", 3, 2), a_photo("c", 4, 77, pdq=bytes(near))]
    rows += [a_photo(f"s{number}", 10 + number, 5) for number in range(9)]
    rows += [a_photo("x", 30, 6, pdq=b""), a_photo("y", 31, 7, pdq=b"")]
    rows += [
        a_row(number, seller_id=seller, images=("/1",), image_sha256=("",), image_hashes=(b"",))
        for number, seller in ((40, "p"), (41, "q"))
    ]

    found = report_of(a_scan(tmp_path, rows)).rings

    (ring,) = found.rings
    assert (ring.sellers, ring.photos, found.stock) == (("a", "b", "c"), 2, 1)
    assert {(bond.left, bond.right, bond.photos) for bond in ring.bonds} == {(0, 1, 1), (1, 2, 1)}


# --- faults ----------------------------------------------------------------------------------------------------------


def test_faults_are_grouped(tmp_path: Path) -> None:
    """Groups come by size with their first faults; a line that is none is counted as such, and so is an endless one."""
    path = tmp_path / "faults.jsonl"
    missing = [json.dumps({"line": n, "listing_id": "l", "code": "IMAGE_MISSING", "message": "m"}) for n in range(50)]
    path.write_text("\n".join([*missing, "{", "[" * 100_000, '{"a": "' + "x" * 200_000 + '"}']), encoding="utf-8")

    groups = read_faults(path)

    assert [(group.code, group.count) for group in groups] == [("IMAGE_MISSING", 50), (UNREADABLE, 3)]
    assert [fault.line for fault in groups[0].first] == list(range(EXAMPLES))


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Write a scan in which all that sellers can choose attacks the page."""
    written = ("brand", "category", "title", "match_brand", "match_reference_id", "error", "market")
    fields: dict[str, Any] = dict.fromkeys(written, HOSTILE)
    shared = {"images": (HOSTILE,), "image_sha256": ("ab",), "image_hashes": (bytes(range(32)),)}
    rows = [
        a_row(
            number,
            "REVIEW",
            **fields | {"seller_id": f"{HOSTILE}{number}", "listing_id": f"{HOSTILE}{number}"},
            **shared,
            reasons=(HOSTILE,),
            price_amount=5.0,
            price_currency="EUR",
            match_score=0.9,
            match_image=0,
            match_box=(0.1, 0.1, float("nan"), 9.0),
        )
        for number in range(3)
    ]
    path = a_scan(tmp_path, rows, **{"policy_version": HOSTILE, HOSTILE: "x"})
    return path.rename(tmp_path / "<img src=x onerror=alert(3)>.parquet")


def test_hostile_text_stays_text(hostile: Path) -> None:
    """No element, attribute or template of a seller's making gets into the page; letters cannot be turned around."""
    html = page_of(hostile)
    elements = Elements(html).found
    names = {name for _, attributes in elements for name in attributes}
    visible = re.sub(r"<[^>]*>", "", html)

    assert [tag for tag, _ in elements].count("script") == 1
    assert "img" not in {tag for tag, _ in elements}  # all photos are missing
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert {attributes["href"] for _, attributes in elements if "href" in attributes} == LINKS
    assert "{{ 7*7 }}" in visible
    assert "\u202e" not in visible


def test_policy_names_what_the_page_holds(hostile: Path) -> None:
    """The page's own policy allows its one script and its one style sheet by digest, and no network."""
    html = page_of(hostile)
    (policy,) = [a["content"] for tag, a in Elements(html).found if tag == "meta" and "http-equiv" in a]

    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (body,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_text_is_made_harmless_to_look_at() -> None:
    """Control and direction characters are shown as such, long text is cut; ordinary letters of all scripts stay."""
    assert plain("a\u202eb\nc\x00") == "a\ufffdb\ufffdc\ufffd"
    assert plain("x" * 200, 10) == "x" * 9 + "…"
    assert plain("Größe 靴 حذاء") == "Größe 靴 حذاء"


def unreadable(folder: Path) -> Iterator[str]:
    """Name what is no picture that can be read."""
    (folder / "text.jpg").write_text("no picture")
    os.mkfifo(folder / "pipe")
    yield from (str(folder / "text.jpg"), str(folder / "pipe"), str(folder), str(folder / "gone.jpg"))
    yield from ("relative.jpg", "/dev/zero", "https://example.com/a.jpg", "/a\0b", "\ud800", "/" + "x" * 5_000)


def test_missing_pictures_leave_a_placeholder(tmp_path: Path) -> None:
    """What cannot be read, is no picture or never ends is said to be missing; a picture is shown."""
    (tmp_path / "a.png").write_bytes(draw(1))
    pictures = Pictures(ScanFiles.of_user())

    shown = pictures.show(str(tmp_path / "a.png"), edge=100)
    missing = [pictures.show(location, edge=100) for location in unreadable(tmp_path)]

    assert shown.url.startswith("data:image/jpeg;base64,")
    assert all(picture.url == "" and picture.missing for picture in missing)


def test_an_empty_scan_has_a_page(tmp_path: Path) -> None:
    """A scan of nothing is no failure."""
    html = page_of(a_scan(tmp_path, []))

    assert "0 listings" in html
    assert "No photo matched a reference" in html


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet" * 50])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """What is not Parquet, or not of a scan, is refused by name."""
    broken, other = tmp_path / "broken.parquet", tmp_path / "other.parquet"
    broken.write_bytes(content)
    pq.write_table(pa.table({"listing_id": ["a"]}), other)

    with pytest.raises(CatalogueError, match=r"broken\.parquet"):
        report_of(broken)
    with pytest.raises(CatalogueError, match=r"other\.parquet: is not a scan's: line"):
        report_of(other)
