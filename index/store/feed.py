"""Who hears at once that something was committed? Subscribers of the change feed, whichever process committed it.

One thread watches the store and calls those who wait: on PostgreSQL it listens for what `index.store.changes.take`
announces, on SQLite it looks every 50 ms whether another connection has committed. A call says "look", not what
changed: the store says that, and whoever looks without need finds nothing.

The feed makes nobody miss anything. Subscribers look by themselves from time to time as well (`index.refresh.Holder`
does), so that without a feed they are later, and that is all; when the connection was lost and is there again,
everybody is called, since something may have happened meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import select

from index.background import background
from index.store.engine import Database
from index.store.tables.changes import counters

logger = logging.getLogger(__name__)

CHANNEL = "touchstone_counters"
# Reading a number of SQLite's costs 10 us; twenty times a second that is nothing.
_SQLITE_POLL_S = 0.05
# How long it takes at most to see that the block has ended.
_LISTEN_S = 0.2
# Each decision is announced: of many in a moment, the first one calls for all.
_GATHER_S = 0.005
# A connection over which nothing came for so long is asked whether it is still there.
_PROBE_S = 15.0
_FIRST_BACK_OFF_S = 0.2
_LONGEST_BACK_OFF_S = 5.0


class ChangeFeed:
    """Whom to call when a counter of the store has grown. Thread-safe."""

    def __init__(self) -> None:
        self._calls: dict[object, tuple[str, Callable[[], object]]] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def calling(self, call: Callable[[], object], *, topic: str) -> Iterator[None]:
        """Call `call`, from another thread, after each commit that took a number of the counter `topic`.

        It must return at once: set an event, and work elsewhere.
        """
        key = object()
        with self._lock:
            self._calls[key] = (topic, call)
        try:
            yield
        finally:
            with self._lock:
                del self._calls[key]

    def announce(self, topics: set[str] | None = None) -> None:
        """Call everybody who waits for one of `topics`; None is everybody."""
        with self._lock:
            wanted = [call for topic, call in self._calls.values() if topics is None or topic in topics]
        for call in wanted:
            call()


@contextlib.contextmanager
def following(database: Database) -> Iterator[ChangeFeed]:
    """Watch the database from now until the block ends. A failure is logged once; watching goes on when it is over."""
    feed, begun = ChangeFeed(), threading.Event()
    with background("change feed", lambda stop: _watch(database, feed, stop, begun)):
        begun.wait()  # for the first connection, or for its failure
        yield feed


def _watch(
    database: Database,
    feed: ChangeFeed,
    stop: threading.Event,
    begun: threading.Event,
) -> None:
    """Watch over one connection after another, with a longer pause after each that failed soon."""
    watch = _poll if database.engine.dialect.name == "sqlite" else _listen
    pause_s = 0.0
    while not stop.is_set():
        began = time.monotonic()
        try:
            with _own_connection(database) as connection:
                heard = watch(connection, stop)
                next(heard)
                begun.set()
                if pause_s:
                    logger.info("hearing of changes at once again")
                feed.announce()  # what was committed before this is not told any more
                for topics in heard:
                    feed.announce(topics)
        except Exception as error:  # noqa: BLE001 - whatever it is: a feed that died in silence would be worse
            if pause_s == 0.0 or time.monotonic() - began > _LONGEST_BACK_OFF_S:
                logger.warning("%s: no news of changes; they are found by looking from time to time", error)
                pause_s = _FIRST_BACK_OFF_S
            else:
                pause_s = min(2 * pause_s, _LONGEST_BACK_OFF_S)
            begun.set()
            stop.wait(pause_s)


@contextlib.contextmanager
def _own_connection(database: Database) -> Iterator[Any]:
    """Open a connection of the driver's that is not one of the pool's; statements commit by themselves."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        own = connection.connection.driver_connection
        connection.detach()
        yield own


def _listen(connection: Any, stop: threading.Event) -> Iterator[set[str]]:
    """Yield the counters that have grown, each time that some have; nothing once, as soon as that is certain."""
    connection.execute(f"LISTEN {CHANNEL}")
    yield set()
    silent_s = 0.0
    while not stop.is_set():
        topics = {notice.payload for notice in connection.notifies(timeout=_LISTEN_S, stop_after=1)}
        if topics:
            stop.wait(_GATHER_S)
            yield topics | {notice.payload for notice in connection.notifies(timeout=0)}
        silent_s = 0.0 if topics else silent_s + _LISTEN_S
        if silent_s > _PROBE_S:
            connection.execute("SELECT 1")
            silent_s = 0.0


def _poll(connection: Any, stop: threading.Event) -> Iterator[set[str]]:
    """Yield as `_listen` does, by looking."""
    values = str(select(counters.c.name, counters.c.value))
    before = dict(connection.execute(values).fetchall())
    yield set()
    version = None
    while not stop.wait(_SQLITE_POLL_S):
        now = connection.execute("PRAGMA data_version").fetchone()  # grows when another connection commits
        if now != version:
            version, found = now, dict(connection.execute(values).fetchall())
            grown = {name for name, value in found.items() if before.get(name) != value}
            before = found
            if grown:
                yield grown
