"""The service as its callers meet it: a real gRPC server in this process, over a small registry of drawn pictures.

Servers run on one event loop in a thread of its own; tests talk to them with blocking stubs. Most use the embedder that
needs no network; `real_service` runs the model that ships, for what depends on it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from index.opening import build_catalogue
from reference_brands.seed import seed_marks
from serving.app import Application, open_application
from serving.cli.main import main
from serving.reference_sources import seed_references
from serving.registry import add_references
from serving.server import serving
from serving.settings import Settings
from tests.integration.held import Held, HeldEmbedder
from tests.integration.support import PATIENCE_S, Outcome, Service, Start, Touchstone, fill, settings_at, with_embedder
from tests.support.audited import acts_watched
from tests.support.postgres import PostgresMissing, PostgresServer, postgres_server


@pytest.fixture(scope="module")
def durable_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server that the suite may restart and take away, and that writes as it does in earnest."""
    try:
        with postgres_server(durable=True) as running:
            yield running
    except PostgresMissing as error:  # where there is none at all, the fixture `postgres` fails or skips
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def event_loop_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run the one loop on which every server of these suites lives."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE_S)
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture(scope="session")
def start(event_loop_thread: asyncio.AbstractEventLoop) -> Start:
    """Serve an application for as long as a block runs, then drain it."""

    @contextmanager
    def started(application: Application, /, *, listen: str = "127.0.0.1:0") -> Iterator[Service]:
        ready: Future[tuple[int, asyncio.Event]] = Future()
        ending = asyncio.run_coroutine_threadsafe(_serve(application, ready, listen), event_loop_thread)
        ending.add_done_callback(lambda done: _fail(ready, done))
        port, stop = ready.result(PATIENCE_S)
        # A message over the limit must reach the server to be refused by it.
        options = [("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
                yield Service(application, port, channel)
        finally:
            event_loop_thread.call_soon_threadsafe(stop.set)
            ending.result(PATIENCE_S)

    return started


@pytest.fixture(scope="session")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve for all suites at once; the store holds `fill`'s registry and whatever earlier tests recorded."""
    with open_application(settings_at(tmp_path_factory.mktemp("shared"))) as application:
        fill(application)
        with start(application) as running:
            yield running


@pytest.fixture
def own_application(tmp_path: Path) -> Iterator[Application]:
    """Open an application of the test's own, over `fill`'s registry."""
    with open_application(settings_at(tmp_path / "data")) as application:
        fill(application)
        yield application


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Make a data folder with `fill`'s registry and a snapshot of it."""
    folder = tmp_path / "data"
    with open_application(settings_at(folder)) as application:
        fill(application)
        build_catalogue(application.store, application.settings.index_dir, application.embedder.fingerprint)
    return folder


@pytest.fixture
def own_service(start: Start, own_application: Application) -> Iterator[Service]:
    """Serve for one test alone."""
    with start(own_application) as running:
        yield running


@pytest.fixture
def held(own_application: Application) -> Iterator[Held]:
    """Give an application whose embedder can be held; it is released when the test ends."""
    embedder = HeldEmbedder()
    with with_embedder(own_application, embedder) as application:
        yield Held(embedder, application)
        embedder.release()


@pytest.fixture
def touchstone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Touchstone:
    """Run commands in this process, without a model unless TOUCHSTONE_EMBEDDER is set; what escapes fails the test."""
    monkeypatch.setenv("TOUCHSTONE_EMBEDDER", "fake")

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr("sys.argv", ["touchstone", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code: object = 0
        except SystemExit as ending:
            code = ending.code or 0
        printed = capsys.readouterr()
        assert isinstance(code, int)
        return Outcome(code, printed.out, printed.err)

    return run


@pytest.fixture
def acts_are_entered() -> Iterator[None]:
    """Hold whatever a test has done, in any store of this process, to its entry in the audit log."""
    with acts_watched() as unentered:
        yield
    assert unentered == []


@pytest.fixture(scope="session")
def real_service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve with the model that ships and a few seeded brands; loading it takes seconds, so once for all."""
    with open_application(Settings(data_dir=tmp_path_factory.mktemp("real"))) as application:
        marks = seed_marks(["nike", "adidas", "puma"])
        add_references(application.store, application.embedder, seed_references(marks))
        application.knowledge.refresh()
        application.listings.refresh()
        with start(application) as running:
            yield running


async def _serve(application: Application, ready: Future[tuple[int, asyncio.Event]], listen: str) -> None:
    async with serving(application, listen=listen) as running:
        ready.set_result((running.port, running.stop))
        await running.stop.wait()


def _fail(ready: Future[tuple[int, asyncio.Event]], done: Future[None]) -> None:
    if not ready.done():
        ready.set_exception(done.exception() or RuntimeError("the server ended before it was ready"))
