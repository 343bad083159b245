"""An appeal travels to the end in a real browser, and the pages about it, and the plots, are for everybody."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from serving.app import open_application
from tests.browser.browsing import LOOKED_AT, SCREENS, browsed_console, grave, shot, visiting
from tests.integration.case_support import TAKEDOWN, case_of, person, suspicious
from tests.integration.console_support import Console
from tests.integration.support import fill, settings_at
from tests.integration.test_packages import keep_files
from tests.support.insight import fill_insight
from touchstone.moderation.v1 import case_pb2


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Serve a console over two months of figures, and two takedowns by ann; one has been appealed against."""
    settings = settings_at(tmp_path_factory.mktemp("console")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        fill_insight(application.store, listings=1_500, waiting=150)
        keep_files(application.blobs)
        with browsed_console(application) as running:
            for name in ("first", "second"):
                decision = suspicious(running.service, name)
                person(running.service, "ann").resolve(case_of(running.service, decision), TAKEDOWN)
            person(running.service, "ann").appeal(decision.decision_id)
            yield running


def test_an_appeal_travels_to_the_end(chromium: Browser, console: Console, tmp_path: Path) -> None:
    """Ann passes it on and may not decide it; bob does, by the page alone, and gives the evidence out."""
    (resolved,) = person(console.service).list(listing_id="first", states=[case_pb2.CASE_STATE_RESOLVED]).cases
    with visiting(chromium, console) as ann, visiting(chromium, console, name="bob") as bob:
        ann.keyboard.press("p")
        ann.wait_for_url("**/appeals")
        ann.keyboard.press("n")
        ann.wait_for_url("**/appeals/new")
        ann.get_by_label("Decision").fill(resolved.decision.decision_id)
        ann.get_by_label("Seller", exact=True).fill("s1")
        ann.get_by_label("The seller's own words").fill("I have the invoice of the maker.")
        ann.get_by_role("button", name="Pass on an appeal").click()
        ann.wait_for_url(f"**/appeals/{resolved.case_id}")
        assert ann.get_by_text("Another person must decide").count() == 1
        assert ann.get_by_role("button", name="Take it").count() == 0

        bob.goto(f"{console.url}/appeals")
        bob.get_by_role("link", name="first").click()
        assert bob.get_by_text("I have the invoice of the maker.").count() == 1
        bob.keyboard.press("c")
        bob.get_by_label("Grant it").check()
        bob.get_by_label("Reason", exact=True).fill("GENUINE")
        bob.get_by_label("What the seller is told").fill("The invoice shows that the shoes are genuine.")
        shot(bob, "appeal-deciding")
        assert grave(bob) == []
        bob.get_by_role("button", name="Send the answer").click()
        bob.locator("#messages .is-good").wait_for()
        with bob.expect_download() as download:
            bob.get_by_role("button", name="Download").click()
        download.value.save_as(tmp_path / "evidence.zip")

        assert "granted" in bob.locator("#messages").inner_text()
        ann.reload()
        assert ann.get_by_text("The invoice shows that the shoes are genuine.").count() >= 1
    with zipfile.ZipFile(tmp_path / "evidence.zip") as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize("screen", LOOKED_AT)
def test_every_page_is_for_everybody(chromium: Browser, console: Console, screen: str) -> None:
    """No page keeps anybody out by what axe-core finds, and none scrolls sideways; tables too, once unfolded."""
    (case,) = person(console.service).list(listing_id="second", states=[case_pb2.CASE_STATE_APPEALED]).cases
    paths = {
        "insight": "/insight?from=2026-01-10&to=2026-03-02&split=verdict",
        "record": "/record",
        "appeal": f"/appeals/{case.case_id}",
    }
    if screen in ("desk", "dark"):
        paths |= {
            "insight-empty": "/insight?from=2020-01-01&to=2020-01-07",
            "appeals": "/appeals",
            "appeal-new": "/appeals/new",
            "statement": f"/appeals/{case.case_id}/statement?language=zh",
            "register": "/register",
        }
    settings = SCREENS[screen]
    with visiting(chromium, console, name="lea", role="lead", **settings) as page:
        for name, path in paths.items():
            page.goto(f"{console.url}{path}")
            shot(page, f"{name}-{screen}")
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

            assert grave(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert page.title().endswith("Touchstone")
