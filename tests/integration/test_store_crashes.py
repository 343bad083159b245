"""Is every acknowledged commit there after a kill -9, and nothing by halves? Of writers, and of the server itself."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select

from index.decision_records import EventKind
from index.errors import NotFound
from index.records import ReferenceState
from index.store.engine import Database
from index.store.store import Store
from index.store.tables.changes import change_log
from tests.contract.test_store_decisions import PHOTOS
from tests.support.crashes import killed_at_random, python
from tests.support.postgres import PostgresServer

# Threads that add and retire references, and record and remove listings, until they are killed or the database is gone.
_WRITER = """
import itertools, sys, threading
from index.errors import StoreError
from index.records import Brand, ReferenceState
from index.store.store import Store
from tests.contract.test_store import ACME, a_reference, an_embedding
from tests.contract.test_store_decisions import COUNTERFEIT, NOON, PHOTOS, a_case, a_decision

place, turn = sys.argv[1:]

def say(*words):
    sys.stdout.write(" ".join(words) + "\\n")
    sys.stdout.flush()

def references(store):
    for number in itertools.count():
        key = f"r{turn}-{number}"
        store.add_references([(a_reference(key), [an_embedding(key, variant) for variant in range(3)])])
        say("added", key)
        store.set_reference_state(key, ReferenceState.RETIRED)
        say("retired", key)

def decisions(store):
    for number in itertools.count():
        record = a_decision(f"d{turn}-{number}", key=f"k{turn}-{number}")
        store.record_decision(record, case=a_case(record), images=PHOTOS)
        say("decided", record.decision_id)
        if number % 3 == 0:
            store.remove_listing(record.listing_id, COUNTERFEIT, NOON)
            say("removed", record.listing_id)

def run(work, store):
    try:
        work(store)
    except StoreError:
        pass  # the server was killed

with Store.open(place) as store:
    store.put_brands([ACME])
    threads = [threading.Thread(target=run, args=(work, store)) for work in (references, decisions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def check(place: str | Path, acknowledged: list[str]) -> None:
    """Make sure that all that was acknowledged is there, and that whatever is there is whole."""
    words = [line.split() for line in acknowledged]
    with Store.open(place, migrate=False) as store:
        store.verify()
        _check_acknowledged(store, words)
        _check_whole(store)
    database = Database(place)
    with database.read("count the change log") as connection:
        logged = connection.execute(select(func.count(), func.max(change_log.c.version))).one()
    database.close()
    with Store.open(place, migrate=False) as store:
        assert tuple(logged) == (store.version(), store.version())


def _check_acknowledged(store: Store, words: list[list[str]]) -> None:
    removed = {image.listing_id for image in store.iter_removed_images()}
    for verb, key in words:
        if verb == "decided":
            assert store.get_decision(key).decision_id == key
        elif verb == "removed":
            assert key in removed
        elif verb == "retired":
            assert store.get_reference(key).state is ReferenceState.RETIRED
        else:
            assert verb == "added"
            store.get_reference(key)


def _check_whole(store: Store) -> None:
    events = store.events_after(0, limit=10**6)
    assert [event.cursor for event in events] == list(range(1, store.event_head() + 1))
    kinds = Counter(event.kind for event in events)
    counts = store.counts()
    assert counts.decisions == kinds[EventKind.DECIDED]
    for decision_id in {event.decision.decision_id for event in events}:
        assert store.decision_images(decision_id) == PHOTOS
        key = decision_id.replace("d", "k")
        assert store.find_idempotent(key, request_sha256="00" * 32) == store.get_decision(decision_id)
    photos = Counter(image.listing_id for image in store.iter_removed_images())
    assert set(photos.values()) <= {len(PHOTOS)}
    assert len(photos) == kinds[EventKind.REMOVED]
    assert counts.embeddings == 3 * counts.references
    for reference, embeddings in store.iter_references("model-a", states=list(ReferenceState)):
        assert [item.variant for item in embeddings] == [0, 1, 2], reference.reference_id
    with pytest.raises(NotFound):
        store.get_decision("never written")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Name an empty database, of each kind."""
    if request.param == "sqlite":
        return tmp_path / "store.db"
    server: PostgresServer = request.getfixturevalue("durable_server")
    return server.url(server.create())


def kill_writers(place: str | Path, *, times: int) -> None:
    """Kill one writer after the other, and check after each."""
    chance = random.Random(7)
    for turn in range(times):
        check(place, killed_at_random(python(_WRITER, str(place), str(turn)), chance))


def kill_servers(server: PostgresServer, *, times: int) -> None:
    """Kill the server under one writer after the other, start it again, and check after each."""
    chance, place = random.Random(8), server.url(server.create())
    for turn in range(times):
        command = python(_WRITER, place, str(turn))
        acknowledged = killed_at_random(command, chance, kill=lambda _: server.kill())
        server.start()
        check(place, acknowledged)


def test_what_a_killed_writer_acknowledged_is_there(place: str | Path) -> None:
    """After each of three kills of a process that writes, all it spoke of is there, and nothing by halves."""
    kill_writers(place, times=3)


def test_what_a_killed_server_acknowledged_is_there(durable_server: PostgresServer) -> None:
    """PostgreSQL, killed with every process of it while clients write, comes back with all that they were told."""
    kill_servers(durable_server, times=2)


@pytest.mark.measure
@pytest.mark.timeout(3600)
def test_nothing_is_lost_in_two_hundred_kills_of_writers(place: str | Path) -> None:
    """The same, two hundred times."""
    kill_writers(place, times=200)


@pytest.mark.measure
@pytest.mark.timeout(3600)
def test_nothing_is_lost_in_two_hundred_kills_of_the_server(durable_server: PostgresServer) -> None:
    """The same of the server, two hundred times."""
    kill_servers(durable_server, times=200)
