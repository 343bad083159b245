"""What do the suites about the console share? A service with its console, people who visit it, and a queue of cases."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx2

from serving.app import Application
from serving.console.opening import console_of
from serving.server import private_socket, serving
from tests.integration.support import AURORA_SHOE, PATIENCE_S, Service, draw, listing

HOSTILE = "\"'><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">{{7*7}}"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Console:
    """A service and the address of its console."""

    service: Service
    url: str
    ca: Path | None = None  # what signed its certificate

    def visitor(self, **headers: str) -> Visitor:
        """Let somebody open a browser of their own."""
        verify = ssl.create_default_context(cafile=self.ca) if self.ca else True
        sent = {"sec-fetch-site": "same-origin"} | headers
        return Visitor(httpx2.Client(base_url=self.url, headers=sent, verify=verify))

    def person(self, name: str = "ann", role: str = "moderator", **more: str) -> Visitor:
        """Let somebody sign in where nobody has to show a credential."""
        visitor = self.visitor()
        answer = visitor.post("/sign-in", name=name, role=role, **more)
        assert answer.status_code == 303, answer.text
        return visitor


@dataclass(frozen=True)
class Visitor:
    """Somebody's browser: keeps cookies, and sends the token of a form that it was shown."""

    client: httpx2.Client

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """Open a page."""
        return self.client.get(path, headers=headers)

    def token(self) -> str:
        """Read the token that forms carry."""
        found = _CSRF.search(self.client.get("/help").text)
        assert found is not None
        return found[1]

    def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form with its token."""
        return self.client.post(path, data={"csrf": self.token()} | fields)


@contextmanager
def console_running(
    loop: asyncio.AbstractEventLoop, application: Application, *, ca: Path | None = None
) -> Iterator[Console]:
    """Serve an application with its console on free ports for as long as the block runs."""
    ready: Future[tuple[int, int, asyncio.Event]] = Future()
    ending = asyncio.run_coroutine_threadsafe(_serve(application, ready), loop)
    ending.add_done_callback(lambda done: _fail(ready, done))
    port, pages, stop = ready.result(PATIENCE_S)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
            scheme = "http" if application.settings.tls_certificate is None else "https"
            yield Console(Service(application, port, channel), f"{scheme}://127.0.0.1:{pages}", ca)
    finally:
        loop.call_soon_threadsafe(stop.set)
        ending.result(PATIENCE_S)


def fill_queue(service: Service, count: int, *, hostile: bool = True) -> list[str]:
    """Screen listings that a person must look at, the first of them hostile; give their ids."""
    names = [HOSTILE[:100] if hostile and number == 0 else f"listing-{number}" for number in range(count)]
    for number, name in enumerate(names):
        seller = HOSTILE[:100] if hostile and number == 0 else f"seller-{number % 3}"
        offer = listing(draw(AURORA_SHOE), listing_id=name, seller_id=seller, market="DE", title="Aurora 1:1 replica")
        service.screen(offer)
    return names


async def _serve(application: Application, ready: Future[tuple[int, int, asyncio.Event]]) -> None:
    async with AsyncExitStack() as parts:
        socket = parts.enter_context(private_socket())
        running = await parts.enter_async_context(serving(application, listen="127.0.0.1:0", socket=socket))
        opening = console_of(
            f"unix:{socket}", application.settings, listen="127.0.0.1:0", telemetry=application.telemetry
        )
        pages = await parts.enter_async_context(opening)
        ready.set_result((running.port, pages, running.stop))
        await running.stop.wait()


def _fail(ready: Future[tuple[int, int, asyncio.Event]], done: Future[None]) -> None:
    if not ready.done():
        ready.set_exception(done.exception() or RuntimeError("the console ended before it was ready"))
