"""Can people work with the console? The queue in a real browser: by keyboard, in every size and colour, for everybody.

Whatever a page says on the browser's console, throws, or asks of another host fails its test. With
TOUCHSTONE_SCREENSHOTS set, pictures of the pages are kept in that folder.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from serving.app import open_application
from tests.browser.browsing import DESK, LOOKED_AT, SCREENS, browsed_console, grave, settled, shot, visiting, watched
from tests.integration.case_support import person
from tests.integration.console_support import Console, fill_queue
from tests.integration.support import fill, settings_at

CASES = 7


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Serve a console over some cases, one of them of a hostile listing and one with a report, which is due."""
    settings = settings_at(tmp_path_factory.mktemp("console")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        with browsed_console(application) as running:
            fill_queue(running.service, CASES)
            yield running


def test_the_queue_is_worked_by_keyboard(chromium: Browser, console: Console) -> None:
    """Rows are walked, the filter is reached, keys rest while somebody types, and the next case is taken and let go."""
    with visiting(chromium, console) as page:
        press = page.keyboard.press
        press("j")
        press("j")
        press("k")
        press("j")
        walked = page.evaluate(
            "[...document.querySelectorAll('[data-row]')].findIndex((row) => row.matches(':focus-within'))"
        )
        press("/")
        page.keyboard.type("jn?")
        typed = page.evaluate("document.activeElement.value")
        press("Escape")
        page.get_by_role("heading", level=1).click()
        press("?")
        listed = page.locator("#keys dt").all_inner_texts()
        press("Escape")
        press("n")
        page.wait_for_url("**/cases/*")
        left = page.locator("[data-until]").inner_text()
        held = person(console.service).get(page.url.rpartition("/")[2]).lease.holder
        press("r")
        page.wait_for_url("**/queue")

        assert (walked, typed, held) == (1, "jn?", "ann")
        assert {"J K", "N", "Q", "H", "?", "/"} <= set(listed)
        assert left.startswith(("5:00", "4:5"))
        assert page.locator("#messages").inner_text().strip() == "You let the case go."
        assert page.get_by_text(f"{CASES} cases").count() == 1


def test_a_choice_filters_at_once_and_stands_in_the_address(chromium: Browser, console: Console) -> None:
    """A state is chosen, the list follows without a new page, and going back shows the list before."""
    with visiting(chromium, console) as page:
        page.evaluate("document.same = true")
        page.get_by_label("State").select_option("RESOLVED")
        page.get_by_text("No case fits this filter").wait_for()

        assert "state=RESOLVED" in page.url
        assert page.evaluate("document.same") is True
        assert page.title().startswith("Queue")
        page.go_back()
        page.locator("[data-row]").first.wait_for()
        assert page.locator("[data-row]").count() == CASES


def test_a_refusal_stands_among_the_messages(chromium: Browser, console: Console) -> None:
    """A filter that the service refuses replaces neither the list nor the address; the message says what is wrong."""
    with watched(chromium, console, refused=True) as page:
        page.goto(f"{console.url}/queue")
        page.get_by_role("textbox").first.fill("ann")
        page.get_by_role("textbox").first.press("Enter")
        page.wait_for_url("**/queue")
        page.get_by_label("Seller").evaluate("(field) => { field.value = 'x'.repeat(5000); }")
        page.get_by_role("button", name="Apply").click()
        page.locator("#messages [role=alert]").wait_for()

        assert "seller_id" in page.locator("#messages").inner_text()
        assert page.locator("[data-row]").count() == CASES
        assert page.url == f"{console.url}/queue"


def test_the_filter_is_kept_while_cases_are_decided(chromium: Browser, console: Console) -> None:
    """From a row of a filtered queue into its case, on to the next one of the filter, and back to the list."""
    with visiting(chromium, console) as page:
        page.goto(f"{console.url}/queue?seller=seller-1")
        listed = page.locator("[data-row]").count()
        photo = page.locator("[data-row] img").first
        wide = photo.evaluate("(one) => one.decode().then(() => one.naturalWidth)")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cases/*?seller=seller-1")
        first = page.url
        page.keyboard.press("c")
        page.locator("button[data-key=s]").wait_for()
        page.keyboard.press("s")
        page.wait_for_url(lambda url: "seller=seller-1" in url and url != first)
        settled(page)
        page.keyboard.press("l")
        page.wait_for_url("**/queue?seller=seller-1")
        page.locator(".held a").click()
        page.wait_for_url("**/cases/*?seller=seller-1")
        page.keyboard.press("r")
        page.wait_for_url("**/queue?seller=seller-1")

        assert wide > 40
        assert page.locator("[data-row]").count() == listed >= 2


def test_a_lease_is_renewed_while_its_page_is_open(chromium: Browser, console: Console) -> None:
    """After a minute the page asks by itself, and what comes back runs on; a colleague sees who holds the case."""
    with visiting(chromium, console) as page, visiting(chromium, console, name="bob") as other:
        page.clock.install()
        page.keyboard.press("n")
        page.wait_for_url("**/cases/*")
        with page.expect_response("**/renew") as renewed:
            page.clock.fast_forward(61_000)
        other.goto(page.url)
        seen = other.locator("#lease").inner_text()
        page.locator("#lease[hx-post]").wait_for()
        page.keyboard.press("r")
        page.wait_for_url("**/queue")

        assert renewed.value.status == 200
        assert "ann holds this case" in seen


@pytest.mark.parametrize("screen", LOOKED_AT)
def test_every_page_is_for_everybody(chromium: Browser, console: Console, screen: str) -> None:
    """No page keeps anybody out by what axe-core finds, none scrolls sideways, and hostile names run nowhere."""
    with visiting(chromium, console, **SCREENS[screen]) as page:
        (case, *_) = person(console.service).list().cases
        paths = {"queue": "/queue", "case": f"/cases/{case.case_id}"}
        if screen in ("desk", "dark"):
            paths |= {"home": "/", "empty": "/queue?brand=nobody", "help": "/help"}
        for name, path in paths.items():
            page.goto(f"{console.url}{path}")
            shot(page, f"console-{name}-{screen}")

            assert grave(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert page.title().endswith("Touchstone")


def test_the_sign_in_is_for_everybody(chromium: Browser, console: Console) -> None:
    """So is the form that comes before, in both languages, and the list of keys."""
    context = chromium.new_context(**DESK, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{console.url}/sign-in")
    shot(page, "console-sign-in-zh")
    chinese, faults = page.locator("html").get_attribute("lang"), grave(page)
    page.get_by_role("button", name="English").click()
    shot(page, "console-sign-in")
    page.keyboard.press("Tab")
    faults += grave(page)
    context.close()

    assert chinese == "zh"
    assert faults == []
