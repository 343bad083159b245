"""A real browser for the pages that Touchstone writes: the system's Chromium, or $CHROMIUM."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="module")  # while it lives, playwright's loop runs in this thread, and no other can
def chromium() -> Iterator[Browser]:
    """Start Chromium once for a suite; without one the tests skip, and say so, or fail where CI=true."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("there is no Chromium on PATH and $CHROMIUM is unset")
        pytest.skip("there is no Chromium on PATH and $CHROMIUM is unset")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        yield browser
        browser.close()
