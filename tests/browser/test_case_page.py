"""Does a moderator work through cases in a browser? By keyboard, on every screen, with photos beside references."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from google.type.money_pb2 import Money
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from index.rings import Ring, RingLink
from serving.app import open_application
from tests.browser.browsing import LOOKED_AT, SCREENS, browsed_console, grave, settled, shot, visiting
from tests.integration.case_support import person
from tests.integration.console_support import HOSTILE, Console
from tests.integration.support import AURORA_SHOE, BOREALIS_BAG, KNOWN_FAKE, Service, draw, fill, listing, settings_at
from touchstone.moderation.v1.case_pb2 import CASE_STATE_CLAIMED, CASE_STATE_OPEN, CASE_STATE_RESOLVED, Case

CASES = 14


def photographed(seed: int, *, place: tuple[int, int] = (230, 90)) -> bytes:
    """Draw a photo of something lying on a table, as large as phones take it, with another thing beside it."""
    table = Image.new("RGB", (900, 640), (206, 196, 180))
    other = Image.open(io.BytesIO(draw(911))).resize((180, 180))
    thing = Image.open(io.BytesIO(draw(seed))).resize((440, 440)).rotate(-7, expand=True, fillcolor=(206, 196, 180))
    table.paste(other, (20, 430))
    table.paste(thing, place)
    stream = io.BytesIO()
    table.save(stream, "JPEG", quality=88)
    return stream.getvalue()


def screen(service: Service, number: int) -> None:
    """Screen a listing that a person must look at: a photo of the reference's goods, a low price, telling words."""
    name = HOSTILE[:60] if number == 0 else f"listing-{number:02d}"
    offer = listing(
        photographed(KNOWN_FAKE if number == 1 else AURORA_SHOE),
        draw(AURORA_SHOE),
        draw(640 + number),
        listing_id=name,
        seller_id=HOSTILE[:40] if number == 0 else f"seller-{number % 3}",
        market="DE" if number % 2 else "US",
        title=f"{HOSTILE} Aurora sneaker 1:1 replica, brand new with box"
        if number == 0
        else "Aurora sneaker 1:1 replica, new",
        description="AAA quality, same factory as Aurora. Write me on WhatsApp +49 151 23456789 for more pictures.",
        claimed_brand="Aurora",
        category="shoes",
        condition="new",
        price=Money(currency_code="USD", units=24, nanos=990_000_000),
    )
    service.screen(offer)


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Serve a console over cases with all kinds of evidence, the first of them hostile, one of them reported."""
    with open_application(settings_at(tmp_path_factory.mktemp("console"))) as application:
        fill(application)
        for seed in (AURORA_SHOE, BOREALIS_BAG, KNOWN_FAKE):
            application.blobs.put(draw(seed))
        with browsed_console(application) as running:
            for number in range(CASES):
                screen(running.service, number)
            person(running.service).report("listing-02", text="The seams are loose and the box smells of glue.")
            links = (RingLink(first_seller_id="seller-1", second_seller_id="seller-2", photos=4, titles=1),)
            ring = Ring(seller_ids=("seller-1", "seller-2"), shared_photos=4, shared_titles=1, links=links)
            application.store.put_rings([ring], now=datetime.now(UTC))
            yield running


def cases_in(console: Console, state: int = CASE_STATE_OPEN) -> list[Case]:
    """List the cases of a state."""
    return list(person(console.service).list(states=[state]).cases)


def case_at(page: Page) -> str:
    """Wait for a case's page, whole and with all that comes after it, and name the case."""
    page.wait_for_url("**/cases/*")  # of the page before, `settled` would tell nothing
    settled(page)
    expect(page.locator("#viewer")).to_be_visible()
    return page.url.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize("screen", LOOKED_AT)
def test_a_case_is_for_everybody(chromium: Browser, console: Console, screen: str) -> None:
    """What speaks for and against is seen on every screen; nothing scrolls sideways, hostile words run nowhere."""
    with visiting(chromium, console, **SCREENS[screen]) as page:
        hostile = next(case for case in cases_in(console) if case.decision.listing_id.startswith("\"'>"))
        other = next(case for case in cases_in(console) if case.decision.listing_id == "listing-02")
        for name, case in (("hostile", hostile), ("plain", other)):
            page.goto(f"{console.url}/cases/{case.case_id}")
            if page.locator("button[data-key=c]").count():
                page.locator("button[data-key=c]").click()
                page.locator("button[data-key=a]").wait_for()
            page.wait_for_load_state("networkidle")
            shot(page, f"case-{name}-{screen}")

            assert grave(page) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.title().endswith("Touchstone")
        shot(page, f"case-screen-{screen}", whole=False)
        page.locator("[data-key=t]").click()
        page.get_by_role("dialog").wait_for()
        shot(page, f"case-takedown-{screen}", whole=False)
        assert grave(page) == []
        page.keyboard.press("Escape")
        for case in (hostile, other):
            page.goto(f"{console.url}/cases/{case.case_id}")
            page.locator("button[data-key=r]").click()
            page.wait_for_url("**/queue")


def test_history_and_ring_and_clock_come_after_the_page(chromium: Browser, console: Console) -> None:
    """Without a click, also of the next case that htmx puts in place; without scripts links lead to them."""
    (case, *_) = [case for case in cases_in(console) if case.seller_id == "seller-2"]
    path = f"{console.url}/cases/{case.case_id}?seller=seller-2"
    with visiting(chromium, console) as page:
        page.goto(path)
        ring = page.get_by_role("img", name="Ring of 2 sellers: seller-1 and seller-2: photos 4, titles 1")
        expect(ring).to_be_visible()
        expect(page.get_by_role("heading", name="Latest decisions")).to_be_visible()
        expect(page.locator("section[aria-labelledby=law]")).to_contain_text("No time runs in this case.")
        shot(page, "case-ring")
        assert grave(page) == []
        page.keyboard.press("c")
        page.locator("button[data-key=s]").wait_for()
        page.keyboard.press("s")
        expect(page).not_to_have_url(path)
        expect(ring).to_be_visible()
        settled(page)
        page.keyboard.press("r")
        page.wait_for_url("**/queue?seller=seller-2")
    with visiting(chromium, console, java_script_enabled=False) as page:
        page.goto(path)
        page.get_by_role("link", name="History and ring").click()
        expect(page.get_by_role("heading", level=1, name="Seller seller-2")).to_be_visible()
        expect(page.get_by_role("heading", name="Ring of 2 sellers")).to_be_visible()


def test_ten_cases_are_decided_by_keyboard(chromium: Browser, console: Console) -> None:
    """Allow, take down with a reason by its digit, skip, and undo: hands stay on the keyboard, the next case comes."""
    with visiting(chromium, console) as page:
        press, seen = page.keyboard.press, []
        press("n")
        for number in range(10):
            seen.append(case_at(page))
            expect(page.locator("button[data-key=a]")).to_be_visible()
            if number == 0:
                press("s")
            elif number % 2:
                press("a")
            else:
                press("t")
                expect(page.get_by_role("dialog")).to_be_visible()
                press("1")
                press("Enter")
            expect(page).not_to_have_url(re.compile(seen[-1]))
        last = case_at(page)
        press("u")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.type("the wrong key")
        press("Enter")
        page.wait_for_url(f"**/cases/{seen[-1]}*")
        expect(page.locator("#messages")).to_contain_text("Taken back")

        resolved = {case.case_id for case in cases_in(console, CASE_STATE_RESOLVED)}
        held = {case.case_id for case in cases_in(console, CASE_STATE_CLAIMED)}
        assert len({*seen, last}) == 11
        assert resolved == set(seen[1:-1])
        assert held == {last, seen[-1]}


def test_the_photo_is_laid_over_the_reference(chromium: Browser, console: Console) -> None:
    """By key and by slider, from none of it to all of it; each photo is looked at without a new page."""
    with visiting(chromium, console, name="bob") as page:
        (case, *_) = cases_in(console)
        page.goto(f"{console.url}/cases/{case.case_id}")
        page.evaluate("document.same = true")
        page.keyboard.press("]")
        expect(page.locator("#viewer .count")).to_contain_text("3 of")
        settled(page)
        page.keyboard.press("[")
        expect(page.locator("#viewer .count")).to_contain_text("2 of")
        settled(page)
        assert page.evaluate("document.same") is True

        at = "getComputedStyle(document.querySelector('[data-compare]')).getPropertyValue('--at')"
        shot(page, "case-compare", whole=False)
        page.keyboard.press("v")
        flipped = page.evaluate(at)
        page.locator("[data-blend]").focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")

        assert (flipped, page.evaluate(at)) == ("0%", "30%")
