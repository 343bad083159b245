"""What do people get from the console? Pages of a real service over HTTP: the queue, leases, errors, both languages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from serving.app import open_application
from serving.console.application import nav, pages
from serving.console.guard import HEADERS
from tests.integration.case_support import person
from tests.integration.console_support import HOSTILE, Console, console_running, fill_queue
from tests.integration.support import fill, settings_at


@pytest.fixture(scope="module")
def console(event_loop_thread: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Serve a console over six cases, the first of a hostile listing."""
    settings = settings_at(tmp_path_factory.mktemp("console")).model_copy(update={"points": "none"})
    with open_application(settings) as application:
        fill(application)
        with console_running(event_loop_thread, application) as running:
            fill_queue(running.service, 6)
            yield running


def test_every_page_has_its_headers_and_asks_who_comes(console: Console) -> None:
    """Each row of the table answers with all headers; what is not public leads to the sign-in and back."""
    visitor = console.visitor()

    for page in pages():
        path = re.sub(r"\{[^}]+\}", "x", page.path)
        answer = visitor.get(path) if page.method == "GET" else visitor.post(path)

        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, path
        assert answer.headers["cache-control"] == "no-store", path
        if not page.public:
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path
