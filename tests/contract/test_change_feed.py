"""Does a commit wake those who wait for it? The change feed, over every database, and when the database goes away."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from index.records import Brand
from index.refresh import Holder
from index.store.changes import CHANGES, EVENTS
from index.store.store import Store
from tests.contract.test_store import ACME
from tests.contract.test_store_decisions import a_decision
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite
from tests.support.postgres import PostgresServer

PATIENCE_S = 10.0
LONG_S = 3600.0  # an interval in which nobody looks by themselves

_OTHER_PROCESS = """
import sys
from index.records import Brand
from index.store.store import Store

with Store.open(sys.argv[1]) as store:
    store.put_brands([Brand(brand_id="elsewhere", name="Elsewhere")])
"""


class Ear:
    """Counts calls, and waits for them."""

    def __init__(self) -> None:
        self._calls = threading.Semaphore(0)

    def __call__(self) -> None:
        """Be called."""
        self._calls.release()

    def hears(self, within_s: float = PATIENCE_S) -> bool:
        """Wait for a call."""
        return self._calls.acquire(timeout=within_s)

    def forget(self) -> None:
        """Forget the calls so far."""
        while self._calls.acquire(blocking=False):
            pass


@pytest.fixture
def listening(store: Store) -> Iterator[Callable[[str], Ear]]:
    """Give a function that returns an ear for a topic."""
    with ExitStack() as stack:

        def listen(topic: str) -> Ear:
            feed, ear = stack.enter_context(store.following()), Ear()
            stack.enter_context(feed.calling(ear, topic=topic))
            return ear

        yield listen


class FeedContract(StoreSuite):
    """What every database must do."""

    def test_commit_of_another_process_is_heard(self, location: str | Path, listening: Callable[[str], Ear]) -> None:
        """Who waits for changes of the registry is called when another process has committed one."""
        ear = listening(CHANGES)

        subprocess.run([sys.executable, "-c", _OTHER_PROCESS, str(location)], check=True)

        assert ear.hears()

    def test_commit_of_another_thread_is_heard(self, store: Store, listening: Callable[[str], Ear]) -> None:
        """A decision of the same process wakes who follows the events."""
        ear = listening(EVENTS)

        store.record_decision(a_decision("d"))

        assert ear.hears()

    def test_other_topics_and_failed_writes_are_not_told(self, store: Store, listening: Callable[[str], Ear]) -> None:
        """Decisions do not wake who waits for the registry, nor does a change that was taken back."""
        ear, events = listening(CHANGES), listening(EVENTS)

        with pytest.raises(RuntimeError):
            store.record_decision(a_decision("late"), commit_guard=_too_late)
        store.record_decision(a_decision("d"))

        assert events.hears()
        assert not events.hears(0.0)
        assert not ear.hears(0.0)

    def test_holder_is_renewed_by_a_commit(self, location: str | Path, store: Store) -> None:
        """A holder has the new state as soon as it is committed, though it looks by itself only each hour."""
        renewed = Ear()

        def renew(old: int) -> int | None:
            new = store.version()
            renewed()
            return None if new == old else new

        holder = Holder(store.version(), renew)
        with store.following() as feed, Store.open(location) as other:
            with holder.polling(interval_s=LONG_S, announcer=lambda ring: feed.calling(ring, topic=CHANGES)):
                other.put_brands([ACME])
                while holder.current == 0:
                    assert renewed.hears()

            assert holder.current == store.version() == 1

    def test_nobody_is_called_after_their_block(self, store: Store) -> None:
        """Who has left is not called any more, and the feed's thread ends with its block."""
        gone, there, before = Ear(), Ear(), set(threading.enumerate())
        with store.following() as feed:
            with feed.calling(gone, topic=CHANGES):
                pass
            with feed.calling(there, topic=CHANGES):
                store.put_brands([ACME])
                assert there.hears()

        assert not gone.hears(0.0)
        assert "change feed" not in {thread.name for thread in {*threading.enumerate()} - before}


class TestSqliteFeed(OnSqlite, FeedContract):
    """The embedded default: looking, twenty times a second, whether something was committed."""


class TestPostgresFeed(OnPostgres, FeedContract):
    """LISTEN and NOTIFY."""

    def test_feed_outlives_its_connection(
        self, postgres: PostgresServer, migrated_database: str, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        """When its connection is cut, the feed says so once, connects again, calls everybody, and hears as before."""
        ear = Ear()
        with caplog.at_level(logging.INFO), store.following() as feed, feed.calling(ear, topic=CHANGES):
            with postgres.connect(migrated_database) as connection:
                _cut_off(connection)
            assert ear.hears()  # it is there again, and something may have happened meanwhile
            ear.forget()
            store.put_brands([Brand(brand_id="b", name="Bravo")])

            assert ear.hears()
        messages = [record.getMessage() for record in caplog.records if record.name == "index.store.feed"]
        assert [message.rpartition(": ")[2] for message in messages] == [
            "no news of changes; they are found by looking from time to time",
            "hearing of changes at once again",
        ]


def _too_late() -> None:
    raise RuntimeError


def _cut_off(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """End the other connections that listen."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
