"""Does the service work on PostgreSQL? Through a restart of the server, and without telling its password."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from index.errors import StoreError
from index.records import Brand, ReferenceState
from index.store.store import Store
from serving.app import Application, open_application
from serving.doctor import examine
from serving.settings import Settings, load_settings
from tests.integration.support import PATIENCE_S, Start, Touchstone, draw, fill, listing
from tests.support.postgres import PostgresServer
from touchstone.moderation.v1 import moderation_service_pb2 as pb

SECRET = "correct-horse"


@pytest.fixture
def settings(durable_server: PostgresServer, tmp_path: Path) -> Settings:
    """Set up a service over an empty database, which nothing but the change feed tells of changes."""
    url = SecretStr(durable_server.url(durable_server.create()))
    return Settings(embedder="fake", data_dir=tmp_path, store=url, drain_s=5.0, workers=4, refresh_s=3600.0)


@pytest.fixture
def application(settings: Settings) -> Iterator[Application]:
    """Open the application over a small registry."""
    with open_application(settings) as opened:
        fill(opened)
        yield opened


def test_listing_is_screened_on_postgres(start: Start, application: Application) -> None:
    """A decision is taken, found again by its id and by its request, and followed by a watcher at once."""
    with start(application) as service:
        watching = service.stub.WatchDecisions(pb.WatchDecisionsRequest(only_new=True), timeout=PATIENCE_S)
        watching.initial_metadata()
        decision = service.screen(listing(draw(1), title="Aurora shoe"), request_id="once").decision

        again = service.screen(listing(draw(1), title="Aurora shoe"), request_id="once").decision
        found = service.stub.GetDecision(pb.GetDecisionRequest(decision_id=decision.decision_id), timeout=PATIENCE_S)
        event = next(watching)
        watching.cancel()

    assert again == found.decision == decision
    assert event.decision.decision_id == decision.decision_id
    assert not (application.settings.data_dir / "touchstone.db").exists()


def test_change_of_another_process_is_searched_at_once(start: Start, application: Application) -> None:
    """A reference that another replica retires is out of this one's index, though it looks by itself only each hour."""
    (shoe,) = [
        reference.reference_id
        for reference, _ in application.store.iter_references(application.embedder.fingerprint)
        if reference.brand_id == "borealis"
    ]
    before = application.knowledge.current
    with start(application), Store.open(application.settings.store_place) as elsewhere:
        elsewhere.set_reference_state(shoe, ReferenceState.RETIRED)

        _until(lambda: application.knowledge.current is not before)

    assert len(application.knowledge.current.catalogue) == len(before.catalogue) - 1


def test_restart_of_the_server_loses_nothing(
    start: Start, durable_server: PostgresServer, application: Application
) -> None:
    """What was decided before, during and after it is there, and the change feed is connected again."""
    with start(application) as service:
        given = [service.screen(listing(listing_id="first")).decision]

        durable_server.stop()
        given.append(service.screen(listing(listing_id="while it is away")).decision)
        durable_server.start()
        given.append(service.screen(listing(listing_id="second")).decision)
        _until(lambda: len(application.moderation.spool) == 0)

        before = application.knowledge.current
        _until(lambda: application.moderation.guard.away_since is None)
        application.store.put_brands([Brand(brand_id="new", name="New")])
        _until(lambda: application.knowledge.current is not before)

    with Store.open(application.settings.store_place) as store:
        recorded = [event.decision.decision_id for event in store.events_after(0)]
        assert sorted(recorded) == sorted(decision.decision_id for decision in given)


def test_doctor_tells_of_the_database(settings: Settings, application: Application) -> None:
    """The doctor names engine, version, schema and connections, and all is well."""
    (finding,) = [one for one in examine(settings) if one.check == "store"]

    assert finding.ok
    assert "in postgresql+psycopg://touchstone@/" in finding.detail
    assert "PostgreSQL 1" in finding.detail
    assert "schema 00" in finding.detail
    assert "up to 20 connections" in finding.detail


def test_doctor_warns_of_a_database_that_forgets(postgres_url: str, tmp_path: Path) -> None:
    """A server that acknowledges what it has not written down is found fault with."""
    settings = Settings(embedder="fake", data_dir=tmp_path, store=SecretStr(postgres_url))

    (finding,) = [one for one in examine(settings) if one.check == "store"]

    assert not finding.ok
    assert "fsync and synchronous_commit and full_page_writes is off: a power cut" in finding.detail


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{SECRET}@localhost:1/none",
        f"postgresql://me@localhost:1/none?password={SECRET}",
        f"postgresql+psycopg://me:{SECRET}@localhost:port/none",
        f"mysql://me:{SECRET}@localhost/none",
    ],
)
def test_password_is_never_told(
    url: str, tmp_path: Path, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails on the way to the database, no output, log or error shows the password."""
    monkeypatch.setenv("TOUCHSTONE_STORE", url)

    with caplog.at_level(logging.DEBUG):
        listed = touchstone("--data-dir", tmp_path, "brands", "list")
        examined = touchstone("--data-dir", tmp_path, "--json", "doctor")
        with pytest.raises(StoreError) as refused:
            Store.open(load_settings().store_place)

    assert (listed.code, examined.code) == (1, 1)
    told = "".join([listed.stdout, listed.stderr, examined.stdout, examined.stderr, str(refused.value), caplog.text])
    assert SECRET not in told + repr(load_settings())


def test_requests_wait_for_connections_no_longer_than_they_must(settings: Settings) -> None:
    """More threads than connections share them; nothing fails."""
    url = settings.store_place
    with Store.open(url, connections=2) as store:
        brands = [Brand(brand_id=f"b{number}", name=f"B{number}") for number in range(12)]
        with ThreadPoolExecutor(len(brands)) as pool:
            assert list(pool.map(lambda brand: store.put_brands([brand]), brands)) == [1] * len(brands)

        assert store.counts().brands == 12


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
