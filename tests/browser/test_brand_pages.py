"""Can brand owners and buyers work with their pages? Marks uploaded in a real browser, hits seen, in every colour.

Whatever a page says on the browser's console, throws, or asks of another host fails its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.type.date_pb2 import Date
from playwright.sync_api import Browser, Page

from serving.app import open_application
from tests.browser.browsing import LOOKED_AT, SCREENS, browsed_console, grave, shot, watched
from tests.integration.brand_support import a_right, registrant
from tests.integration.console_support import Console
from tests.integration.support import draw, fill, listing, settings_at

BRAND = "cirrus"
MARKS = 5


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Serve a console over a brand without marks."""
    settings = settings_at(tmp_path_factory.mktemp("brands")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        with browsed_console(application) as running:
            rights = [a_right(), a_right("old", expiry_date=Date(year=2025, month=1, day=1))]
            registrant(running.service, "lea", "lead").create("Cirrus", brand_id=BRAND, rights=rights)
            yield running


@contextmanager
def owning(chromium: Browser, console: Console, **settings: Any) -> Iterator[Page]:
    """Sign the brand's owner in, on a page that is watched."""
    with watched(chromium, console, **settings) as page:
        page.goto(f"{console.url}/sign-in")
        page.locator("[name=name]").fill("olga")
        page.locator("[name=role]").select_option("brand-owner")
        page.locator("[name=brands]").fill(BRAND)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{console.url}/")
        yield page


def test_an_owner_uploads_marks_and_sees_a_hit(chromium: Browser, console: Console, tmp_path: Path) -> None:
    """Five files go up with a line each; a listing that is screened afterwards is among the hits, with its photo."""
    files = [tmp_path / f"mark-{number}.png" for number in range(MARKS)]
    for number, file in enumerate(files):
        file.write_bytes(draw(80 + number))

    with owning(chromium, console) as page:
        page.goto(f"{console.url}/brands/{BRAND}/references")
        page.get_by_label("What they show").first.select_option("PRODUCT")
        page.get_by_label("Files").set_input_files(files)
        page.get_by_role("button", name="Upload").click()
        page.get_by_role("link", name="Show all marks").wait_for()
        results = page.locator("[data-results] li").all_inner_texts()
        shot(page, "brand-uploaded")
        offer = listing(draw(80), listing_id="seen", seller_id="s1", market="DE", title="Cirrus 1:1 replica")
        console.service.screen(offer)
        page.goto(f"{console.url}/brands/{BRAND}")
        hit = page.get_by_role("listitem").filter(has_text="seen")
        photo = hit.locator("img")
        wide = photo.evaluate("(one) => one.decode().then(() => one.naturalWidth)")

        assert [text.split("\n")[0] for text in results] == [file.name for file in files]
        assert all("Active" in text for text in results)
        assert "/images/decisions/" in str(photo.get_attribute("src"))
        assert wide > 100


def test_files_are_dropped(chromium: Browser, console: Console) -> None:
    """What is no picture has its reason on its line, whatever its name."""
    with owning(chromium, console) as page:
        page.goto(f"{console.url}/brands/{BRAND}/references")
        page.evaluate("""() => {
            const carried = new DataTransfer();
            carried.items.add(new File(["no picture"], "<img src=x onerror=alert(1)>.svg"));
            const at = document.querySelector("[data-upload]");
            at.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""")
        page.get_by_role("link", name="Show all marks").wait_for()

        assert "<img src=x onerror=alert(1)>.svg" in page.locator("[data-results]").inner_text()
        assert "Not taken" in page.locator("[data-results]").inner_text()


@pytest.mark.parametrize("screen", LOOKED_AT)
def test_every_page_is_for_everybody(chromium: Browser, console: Console, screen: str) -> None:
    """Nothing that axe-core finds keeps anybody out, and no page scrolls sideways."""
    here = f"/brands/{BRAND}"
    paths = {"brand": here, "rights": f"{here}/rights", "marks": f"{here}/references", "check": "/check/seen"}
    if screen == "desk":
        paths |= {
            "right": f"{here}/rights/form",
            "brands": "/brands",
            "terms": f"{here}/terms",
            "advice": f"{here}/advice",
            "apply": "/apply",
        }
    with owning(chromium, console, **SCREENS[screen]) as page:
        for name, path in paths.items():
            page.goto(f"{console.url}{path}")
            shot(page, f"portal-{name}-{screen}")

            assert grave(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
