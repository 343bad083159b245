"""A moderator reads a scan's report in a browser: filters it, ticks, and takes the selection to the command line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page

from index.money import ExchangeRates
from serving.scan.files import ScanFiles
from serving.scan.report import read_report
from serving.scan.report_page import write_page
from serving.scan.report_pictures import Pictures
from serving.scan.rows import ScanRow, to_table
from serving.scan.selection import read_selection, selected_listings
from tests.integration.support import draw

HOSTILE = "\"'><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
# Every element whose own text is seen, with what WCAG 2 asks: 4.5, or 3 for large text.
CONTRASTS = """() => {
  const parsed = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parsed(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || element.closest("script, noscript, option, title") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const colour = parsed(element instanceof SVGElement ? style.fill : style.color);
    const [high, low] = [luminance(colour), luminance(ground(element))].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24;
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? 3 : 4.5)) poor.push(`${element.tagName} ${element.textContent.trim()} ${ratio}`);
  }
  return poor;
}"""


def rows(folder: Path) -> Iterator[ScanRow]:
    """Make 40 listings of drawn photos, two sellers of which share theirs, one of them hostile, one without a photo."""
    for number in range(40):
        picture = draw(number // 2)
        path = folder / f"{number // 2}.png"
        path.write_bytes(picture)
        digest = hashlib.sha256(picture).digest()
        flagged = number % 4 == 0
        yield ScanRow(
            listing_id=HOSTILE if number == 4 else f"l{number}",
            line=number + 1,
            verdict="TAKEDOWN" if number == 8 else "REVIEW" if flagged else "ALLOW",
            counterfeit_probability=0.9 if flagged else 0.1,
            brand=HOSTILE if number == 4 else ("Aurora", "Borealis")[number % 8 // 4],
            category="shoes",
            reasons=("VISUAL_MATCH",) if flagged else (),
            title=HOSTILE,
            seller_id="s1" if number % 2 else "s2",
            price_amount=10.0 + number,
            price_currency="EUR",
            images=(str(path) if number != 12 else "/gone.png",),
            match_brand="Aurora",
            match_score=1 - number / 100,
            match_image=0,
            match_box=(0.2, 0.2, 0.7, 0.6),
            image_sha256=(digest.hex(),),
            image_hashes=(digest,),
        )


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a scan with its report beside it."""
    folder = tmp_path_factory.mktemp("scan")
    path = folder / "out.parquet"
    pq.write_table(to_table(list(rows(folder)), {"scan_id": "s1", "policy_version": "p@1"}), path)
    fault = {"line": 3, "listing_id": HOSTILE, "code": "IMAGE_MISSING", "message": HOSTILE}
    faults = folder / "out.faults.jsonl"
    faults.write_text(json.dumps(fault) + "\n", encoding="utf-8")
    report = read_report(path, ExchangeRates.load(), faults=faults)
    write_page(folder / "report.html", report, scan=path, pictures=Pictures(ScanFiles.of_user()))
    return path


@pytest.fixture
def opened(chromium: Browser, scan: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Open the report from the disk; whatever it asks of a network, complains of or throws fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(accept_downloads=True, **getattr(request, "param", {}))
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "data:", "blob:")) else complaints.append(asked.url),
    )
    page.goto((scan.parent / "report.html").as_uri())
    yield page
    context.close()
    assert complaints == []


def test_pictures_and_boxes_are_drawn_and_nothing_runs(opened: Page) -> None:
    """Photos are decoded by the browser, each match has its frame, a missing one its placeholder; attacks are text."""
    drawn = opened.locator("#matches img").evaluate_all("all => all.map((one) => one.naturalWidth)")

    assert opened.title() == "Scan out.parquet"
    assert len(drawn) == opened.locator("#matches rect.box").count() == 19
    assert min(drawn) == 320
    assert (
        opened.locator("#matches .gone").inner_text()
        == "no picture: there is no such file or folder; correct the name or put it there"
    )
    assert opened.locator(".scatter circle, .scatter path:not(.grid, .median)").count() == 40
    assert opened.locator("#rings .ring line.strong").count() == 1
    assert "<script>" in opened.locator("#faults td").nth(1).inner_text()


def test_a_name_filters_and_the_chart_follows(opened: Page) -> None:
    """A brand shows its own listings and matches only; the same again shows all; words and verdicts narrow further."""
    listed = opened.locator("#listings tbody tr:visible")
    borealis = opened.locator("#names button", has_text="Borealis")
    everything = listed.count()

    borealis.focus()
    opened.keyboard.press("Enter")
    brands = listed.locator("td:nth-child(5)").all_inner_texts()
    dimmed = opened.locator(".scatter .dim").count()
    pressed = borealis.get_attribute("aria-pressed")
    borealis.click()
    opened.get_by_label("Verdict").select_option("TAKEDOWN")

    assert (everything, set(brands), dimmed, pressed) == (10, {"Borealis"}, 2, "true")
    assert listed.locator("th").all_inner_texts()[0].startswith("l8")
    assert opened.locator("#shown").inner_text() == "1 of the 10 flagged listings below"


def test_ticks_become_a_selection_that_the_command_takes(opened: Page, scan: Path, tmp_path: Path) -> None:
    """What is ticked is saved as a file which names those listings, a seller standing for all that are flagged."""
    opened.locator("#listings input").nth(0).check()
    opened.locator("#listings").get_by_label(f"Select listing {HOSTILE[:20]}").check()
    opened.locator("#names").get_by_label("Select brand Borealis").check()
    told = opened.locator("#ticked").inner_text()
    with opened.expect_download() as waiting:
        opened.locator("#save").click()
    waiting.value.save_as(tmp_path / "selection.json")
    selection = read_selection(tmp_path / "selection.json")

    assert told == "Ticked: 2 listings, 1 brand"
    assert set(selection.listing_ids) == {"l8", HOSTILE}
    assert list(selected_listings(scan, selection)) == [HOSTILE, "l8", "l12", "l20", "l28", "l36"]
    assert f"touchstone cases batch {scan} selection.json" in (opened.locator("#command").text_content() or "")


@pytest.mark.parametrize("opened", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True)
def test_text_can_be_read(opened: Page) -> None:
    """All text stands out from its ground as WCAG AA asks, by day and by night."""
    opened.locator("#listings input").nth(0).check()
    opened.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    assert opened.evaluate(CONTRASTS) == []


@pytest.mark.parametrize("opened", [{"viewport": {"width": 360, "height": 700}}], indirect=True)
def test_a_narrow_window_does_not_scroll_sideways(opened: Page) -> None:
    """Tables and the chart scroll within themselves."""
    assert opened.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("opened", [{"java_script_enabled": False}], indirect=True)
def test_without_scripts_it_can_be_read(opened: Page) -> None:
    """Everything but filters and ticks is there; what would do nothing is not."""
    assert opened.locator("#listings tbody tr:visible").count() == 10
    assert opened.locator("input:visible, button:visible").count() == 0
    assert opened.locator("#names th[scope=row]").first.inner_text() != ""


def named(page: Page) -> list[Any]:
    """List what can be used and has no name."""
    query = "input, button, select, textarea, img, svg[role=img]"
    script = """all => all.filter((one) => !(one.labels?.length || one.ariaLabel || one.alt || one.textContent.trim()))
      .map((one) => one.outerHTML.slice(0, 80))"""
    found: list[Any] = page.locator(query).evaluate_all(script)
    return found


def test_everything_has_a_name(opened: Page) -> None:
    """Who does not see the page is told what each field, button and picture is."""
    assert named(opened) == []


def test_on_paper_it_is_all_there(opened: Page) -> None:
    """Printed, what is for the screen is gone, names stay, and what is folded is open; on the screen it folds again."""
    opened.locator("#listings input").nth(0).check()
    open_before = opened.locator("main details[open]").count()
    folded = opened.locator("main details:not([open])").count()
    opened.emulate_media(media="print")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    unfolded = opened.locator("main details[open]").count()

    assert opened.locator("h1").is_visible()
    assert opened.locator("#names button", has_text="Borealis").is_visible()
    assert not opened.locator("#dock").is_visible()
    assert opened.locator("input:visible").count() == 0
    assert unfolded == open_before + folded
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.locator("main details[open]").count() == open_before
