"""How is the database reached? Opening it, short transactions, and the few statements that every part needs.

What each kind of database is told stands in `index.store.dialects`, where it may be in `index.store.places`, and how
its errors turn into ours in `index.store.faults`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Table, UpdateBase
from sqlalchemy.dialects import postgresql, sqlite

from index.store.dialects import PATIENCE_S, WRITES, for_reading, open_engine
from index.store.faults import translated
from index.store.places import name_of, parse_place, prepare_file
from index.store.turns import FileTurn

# Rows in one statement or transaction. SQLite takes 32,766 parameters a statement; 5,000 prices
# hold its writer for about 0.1 s, the longest that a decision waits behind an import.
BATCH = 5_000

# PostgreSQL admits 100 altogether unless it is told otherwise: enough for four replicas with their listeners.
CONNECTIONS = 20

Item = TypeVar("Item")


class StoreObserver(Protocol):
    """Who wants to know how long transactions take, and which fail."""

    def transaction(self, kind: str) -> contextlib.AbstractContextManager[Any]:
        """Stand around a transaction, a "read" or a "write", and let through what it raises."""


class Database:
    """A pool of connections to one database. Threads share it; each transaction takes a connection of its own."""

    def __init__(self, path_or_url: str | Path, *, connections: int = CONNECTIONS) -> None:
        self.url = parse_place(path_or_url)
        self.name = name_of(self.url)
        self._turn: FileTurn | None = None
        if self.url.get_backend_name() == "sqlite":
            file = prepare_file(self.url)
            self.name = str(file)
            self._turn = FileTurn(file.with_name(f"{file.name}-turn"), patience_s=PATIENCE_S)
        with translated(self.name, "open"):
            self.engine = open_engine(self.url, connections=connections)
        self._reader = for_reading(self.engine)
        self._shared = threading.local()
        self.admit: Callable[[], None] = _everything
        self.observer: StoreObserver | None = None

    @contextlib.contextmanager
    def read(self, action: str) -> Iterator[Connection]:
        """Run a read transaction, which sees one state of things; `action` completes "could not ..." in messages.

        Keep it short. Raises whatever `admit` raises, before anything is asked.
        """
        shared: Connection | None = getattr(self._shared, "connection", None)
        if shared is not None:
            with translated(self.name, action):
                yield shared
            return
        self.admit()
        with (
            self._observed("read"),
            translated(self.name, action),
            self._reader.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextlib.contextmanager
    def reading(self, action: str) -> Iterator[None]:
        """Let this thread's reads in the block share one transaction: one state of things, at the price of one."""
        with self.read(action) as connection:
            outer = getattr(self._shared, "connection", None)
            self._shared.connection = connection
            try:
                yield
            finally:
                self._shared.connection = outer

    @contextlib.contextmanager
    def write(self, action: str) -> Iterator[Connection]:
        """Run a write transaction: it commits when the block ends, and leaves nothing behind when the block raises.

        Raises LostRace when it and another one waited for each other: `index.store.retry` runs a method again then.
        """
        self.admit()
        turn = self._turn or contextlib.nullcontext()
        with self._observed("write"), translated(self.name, action), turn, self.engine.connect() as connection:
            writing = connection.execution_options(**{WRITES: True})
            with writing.begin():
                yield writing

    def ping(self) -> None:
        """Run a query that reads next to nothing, not held up by `admit`. Raises StoreError."""
        with translated(self.name, "reach the store"), self._reader.connect() as connection:
            connection.exec_driver_sql("SELECT value FROM counters LIMIT 1").all()

    def faults(self) -> list[str]:
        """Return what the database's own check finds wrong; PostgreSQL checks its pages as it reads them."""
        if self.engine.dialect.name != "sqlite":
            return []
        with self.read("check the file") as connection:
            checks = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").scalars().all()
        return [str(check) for check in checks if check != "ok"] + [f"an orphaned row in {table}" for table in orphans]

    def _observed(self, kind: str) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self.observer is None else self.observer.transaction(kind)

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()
        if self._turn is not None:
            self._turn.close()


def _everything() -> None:
    """Let every transaction begin."""


def insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows that break no unique constraint, skip the others, and return how many were new."""
    if not rows:
        return 0
    # Both know ON CONFLICT DO NOTHING, but SQLAlchemy spells it once per dialect; PostgreSQL's driver does not count
    # the rows of a bulk insert, and SQLite has RETURNING only since 3.35.
    if connection.dialect.name == "sqlite":
        return connection.execute(_insert_new_sqlite(table), rows).rowcount
    return len(connection.execute(_insert_new_postgresql(table), rows).all())


@functools.cache
def _insert_new_sqlite(table: Table) -> sqlite.Insert:
    return sqlite.insert(table).on_conflict_do_nothing()


@functools.cache
def _insert_new_postgresql(table: Table) -> UpdateBase:
    return postgresql.insert(table).on_conflict_do_nothing().returning(*table.primary_key)


def in_batches(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """Yield the items in lists of up to `size`; an endless iterable is read no further ahead than that."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
