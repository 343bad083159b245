"""What do the suites in a browser share? A console, people who visit it, their screens, and what axe-core finds."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from serving.app import Application
from tests.integration.console_support import Console, console_running
from tests.integration.support import PATIENCE_S

DESK: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
# As a screen of 1,280 pixels shows a page at 200%.
LARGE: dict[str, Any] = {"viewport": {"width": 640, "height": 430}, "device_scale_factor": 2}
TABLET: dict[str, Any] = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
SCREENS = {"desk": DESK, "dark": DESK | {"color_scheme": "dark"}, "large": LARGE, "tablet": TABLET, "phone": PHONE}
# The gate looks at two of them; `pytest -m measure tests/browser` at the others.
LOOKED_AT = [name if name in ("dark", "phone") else pytest.param(name, marks=pytest.mark.measure) for name in SCREENS]
# Serious and critical ones fail; the others are looked at by people.
GRAVE = {"serious", "critical"}


@contextmanager
def browsed_console(application: Application) -> Iterator[Console]:
    """Serve an application with its console on a loop of its own: playwright's has the thread of the test."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers")
    thread.start()
    try:
        with console_running(loop, application) as running:
            yield running
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_S)
        loop.close()


@contextmanager
def watched(chromium: Browser, console: Console, *, refused: bool = False, **settings: Any) -> Iterator[Page]:
    """Open an empty page; complaints of the browser, and requests to elsewhere, fail the test.

    With `refused` the browser may say that an answer had an error's status, as it says of each.
    """
    complaints: list[str] = []
    context = chromium.new_context(**(DESK | settings))
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(f"{console.url}/") else complaints.append(asked.url))
    yield page
    context.close()
    if refused:
        complaints = [one for one in complaints if not one.startswith("Failed to load resource")]
    assert complaints == [], complaints


@contextmanager
def visiting(
    chromium: Browser, console: Console, *, name: str = "ann", role: str = "moderator", **settings: Any
) -> Iterator[Page]:
    """Sign somebody in by the form, on a page that is watched."""
    with watched(chromium, console, **settings) as page:
        page.goto(f"{console.url}/queue")
        page.get_by_role("textbox").first.fill(name)
        page.locator("[name=role]").select_option(role)
        page.get_by_role("textbox").first.press("Enter")
        page.wait_for_url("**/queue")
        yield page


def settled(page: Page) -> None:
    """Wait until a new page's scripts run, for keys before that go nowhere, and until htmx has taken up what it put in.

    Before that a new link is followed as any link is.
    Not by `wait_for_function`, which asks a second time by `eval`: the pages' policy does not run that.
    """
    page.wait_for_load_state()
    expect(page.locator(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")).to_have_count(0)


def shot(page: Page, name: str, *, whole: bool = True) -> None:
    """Keep a picture of the page where TOUCHSTONE_SCREENSHOTS says."""
    if folder := os.environ.get("TOUCHSTONE_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=whole)


def grave(page: Page) -> list[str]:
    """List what axe-core finds that keeps people out."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in GRAVE]
