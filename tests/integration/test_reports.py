"""The pages of `--report`: whole, self-contained, and safe with whatever text the data holds."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.integration.support import draw
from training.asking import Judged, Match
from training.evaluate_brands import BrandReport
from training.evaluate_categories import evaluate_categories
from training.report_brands import failure_sheets, write_brand_report
from training.report_categories import JudgedCategory, confusion, write_category_report
from training.report_page import spread
from vision.decode import decode
from vision.fake import FakeEmbedder
from vision.regions import Box
from vision.thumbnails import thumbnail

pytestmark = pytest.mark.usefixtures("acts_are_entered")

HOSTILE = '<script>alert("1")</script>'
FIGURES = BrandReport(
    queries=5,
    positives=3,
    negatives=2,
    references=4,
    top1=1 / 3,
    recall_at_fpr_1pct=0.25,
    box_hit_rate=None,
    forwards_per_image=3.5,
    ms_per_image_p50=120.4,
    model="fake@1",
)


class Elements(HTMLParser):
    """Collects the tags and attributes of a page, which must close what it opens."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element, and that it must be closed unless HTML says otherwise."""
        self.found.append((tag, dict(attributes)))
        if tag not in {"meta", "img"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note an element of SVG that closes itself."""
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        """Hold the page to closing what it opened last."""
        assert self._open.pop() == tag

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Give the attributes of every element of this name."""
        return [attributes for name, attributes in self.found if name == tag]


def judged(folder: Path, name: str, *, truth: str | None, answer: str | None, score: float) -> Judged:
    """Make a judged query with a drawn photo, a labelled box and, when answered, a match with a box."""
    photo = folder / f"{len(list(folder.iterdir()))}.png"
    photo.write_bytes(draw(len(name), edge=120))
    box = Box(0.25, 0.5, 0.75, 1.0)
    match = Match(brand=answer or "", score=score, box=box, image_index=0, reference_id="r1")
    return Judged(
        listing_id=name,
        images=(photo,),
        label=truth,
        truth=truth,
        truth_boxes=(Box(0.0, 0.0, 0.5, 0.5),) if truth else (),
        matches=(match,) if answer else (),
    )


@pytest.fixture
def queries(tmp_path: Path) -> list[Judged]:
    """One of each kind: right, taken for another, no answer, a false alarm, a negative without an answer."""
    return [
        judged(tmp_path, "right", truth="Acme", answer="Acme", score=0.9),
        judged(tmp_path, "wrong", truth=HOSTILE, answer="Acme", score=0.8),
        judged(tmp_path, "silent", truth="Acme", answer=None, score=0.0),
        judged(tmp_path, "alarm", truth=None, answer=HOSTILE, score=0.7),
        judged(tmp_path, HOSTILE, truth=None, answer=None, score=0.0),
    ]


def page_of(path: Path) -> Elements:
    """Parse a page."""
    return Elements(path.read_text(encoding="utf-8"))


def test_a_brand_page_shows_failures_with_boxes_and_references(queries: list[Judged], tmp_path: Path) -> None:
    """The three failures are on the page: photo, labelled box, answered box, the matched reference beside it."""
    picture = thumbnail(decode(draw(9)).pixels, edge=100)

    write_brand_report(tmp_path / "page.html", "eval brands", FIGURES, queries, {"r1": picture})

    page = page_of(tmp_path / "page.html")
    assert [each["id"] for each in page.named("figure")] == ["wrong", "silent", "alarm"]
    boxes = [each for each in page.named("i") if "box" in (each.get("class") or "")]
    assert [each["class"] for each in boxes] == ["box truth", "box answer", "box truth", "box answer"]
    assert boxes[1]["style"] == "left:25.00%;top:50.00%;width:50.00%;height:50.00%"
    assert len(page.named("img")) == 3 + 2


def test_a_page_loads_nothing_and_runs_nothing(queries: list[Judged], tmp_path: Path) -> None:
    """Hostile names stay text, and every picture is inline."""
    write_brand_report(tmp_path / "page.html", "eval brands", FIGURES, queries, {})

    text, page = (tmp_path / "page.html").read_text(encoding="utf-8"), page_of(tmp_path / "page.html")
    assert not page.named("script")
    assert not page.named("link")
    assert "&lt;script&gt;" in text
    assert all((each["src"] or "").startswith("data:image/jpeg;base64,") for each in page.named("img"))
    assert not re.search(r"(src|href)=\"?(https?:|//)", text)


def test_headline_figures_are_the_reports(queries: list[Judged], tmp_path: Path) -> None:
    """Shares have three digits, a figure that there is none of has a dash."""
    write_brand_report(tmp_path / "page.html", "eval brands", FIGURES, queries, {})

    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    values = re.findall(r'class="label">([^<]*)</div><div class="value">([^<]*)<', text)
    assert dict(values)["top 1"] == "0.333"
    assert dict(values)["box hit rate"] == "–"
    assert dict(values)["forwards per photo"] == "3.5"


def test_a_right_answer_below_the_threshold_is_missed(tmp_path: Path) -> None:
    """What would not be found at 1% false alarms is shown although the brand is right, least sure first."""
    rows = [judged(tmp_path, f"{score}", truth="Acme", answer="Acme", score=score) for score in (0.6, 0.2, 0.4)]

    _, missed, alarms = failure_sheets(rows, 0.5, {})

    assert [each.listing_id for each in missed.failures] == ["0.2", "0.4"]
    assert alarms.total == 0


@pytest.mark.parametrize(
    ("sizes", "shown"), [([100, 100, 100], [14, 13, 13]), ([3, 100, 1], [3, 36, 1]), ([1, 2, 3], [1, 2, 3])]
)
def test_forty_failures_are_spread_over_their_kinds(sizes: list[int], shown: list[int]) -> None:
    """Each kind gets its part, and what one does not need goes to the others."""
    assert spread(sizes, 40) == shown


def test_an_unreadable_photo_is_said_to_be_one(tmp_path: Path) -> None:
    """A photo that cannot be decoded, perhaps the very reason of the failure, does not stop the page."""
    query = judged(tmp_path, "broken", truth="Acme", answer=None, score=0.0)
    query.images[0].write_bytes(b"no picture")

    write_brand_report(tmp_path / "page.html", "eval brands", FIGURES, [query], {})

    assert "unreadable photo" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_category_page_has_its_confusions(tmp_path: Path) -> None:
    """The matrix counts answers by truth, unknown ones under anything else, and the page shows it."""
    rows = [
        JudgedCategory(listing_id=str(number), images=(), truth=truth, answer=answer, score=0.5)
        for number, (truth, answer) in enumerate([("hat", "hat"), ("hat", "shoe"), ("shoe", None), (HOSTILE, "hat")])
    ]

    write_category_report(tmp_path / "page.html", rows, top1=0.25, top5=0.5, macro_f1=0.2, model="fake@1")

    table = confusion(rows)
    assert table.names == [HOSTILE, "hat", "shoe"]
    assert [list(row) for row in table.counts] == [[0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    page = page_of(tmp_path / "page.html")
    assert len(page.named("table")) == 2
    assert not page.named("script")


def test_evaluating_categories_writes_the_page(tmp_path: Path) -> None:
    """`eval categories --report` shows the listings that were answered wrongly, with their photos."""
    rows = []
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(draw(number, edge=120))
        label = {"category": "hat" if number < 2 else "shoe"}
        rows.append({"listing_id": f"p{number}", "images": [f"{number}.png"], "labels": label})
    train, test = tmp_path / "train.jsonl", tmp_path / "test.jsonl"
    train.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    swapped = [row | {"labels": {"category": "shoe"}} for row in rows[:1]] + rows[1:]
    test.write_text("".join(json.dumps(row) + "\n" for row in swapped), encoding="utf-8")

    figures = evaluate_categories(test, embedder=FakeEmbedder(), train=train, report=tmp_path / "page.html")

    assert figures.top1 == 0.75
    page = page_of(tmp_path / "page.html")
    assert [each["id"] for each in page.named("figure")] == ["p0"]
    assert len(page.named("img")) == 1
