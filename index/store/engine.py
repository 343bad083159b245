"""How is the database reached? Opening it, short transactions, and the one edge where its errors turn into ours.

Everything that SQLite needs and PostgreSQL does not stands in this module. A write on SQLite begins with BEGIN
IMMEDIATE: a transaction that reads first and then wants to write would be refused at once with "database is locked",
however long the busy timeout. Readers see the last commit and neither wait for the writer nor hold it up (WAL).
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from index.errors import Conflict, StoreError

# Another process (an import beside the service) writes in batches of well under a second; a minute is a hung one.
_BUSY_TIMEOUT_MS = 60_000

_CONNECTIONS = 8
_MORE_CONNECTIONS = 56  # with the above 64, more than the service has worker threads

# FULL, not NORMAL: under NORMAL a power cut may take back decisions that were answered and events that followers have
# seen, whose cursors would then be given out a second time. Measured on a virtual disk: 6.8 ms a commit against 0.2 ms,
# where a CPU needs far longer to screen the listing; bulk writes commit in batches and hardly notice.
_PRAGMAS = (
    f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)

# Rows in one statement or transaction. SQLite takes 32,766 parameters a statement; 5,000 prices
# hold its writer for about 0.1 s, the longest that a decision waits behind an import.
BATCH = 5_000

_WRITES = "touchstone_writes"
_SCHEMA_LOCK = 0x70756368  # any number that no other user of the database locks
_NAMES_LOCK = 0x6E616D65  # likewise
_LISTING_LOCKS = 0x6C697374  # makes the number of a listing's lock
_CORRUPT = ("file is not a database", "malformed", "disk i/o error")


Item = TypeVar("Item")


class Database:
    """A pool of connections to one database. Threads share it; each transaction takes a connection of its own."""

    def __init__(self, path_or_url: str | Path) -> None:
        self.url = _parse(path_or_url)
        self.name = self.url.render_as_string(hide_password=True)
        sqlite_file = self.url.get_backend_name() == "sqlite"
        if sqlite_file:
            self.name = str(_prepare_file(self.url))
        with self._translated("open"):
            self.engine = create_engine(
                self.url,
                pool_size=_CONNECTIONS,
                max_overflow=_MORE_CONNECTIONS,
                hide_parameters=True,  # they may be personal: of sellers and reporters
            )
        self._shared = threading.local()
        # SQLite admits one writer and lets the others poll, unfairly; threads of one process queue up here instead.
        self._writer: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if sqlite_file else contextlib.nullcontext()
        )
        if sqlite_file:
            _teach_sqlite(self.engine)

    @contextlib.contextmanager
    def read(self, action: str) -> Iterator[Connection]:
        """Run a read transaction; `action` completes "could not ..." in an error's message. Keep it short."""
        shared: Connection | None = getattr(self._shared, "connection", None)
        if shared is not None:
            with self._translated(action):
                yield shared
            return
        with self._translated(action), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def reading(self, action: str) -> Iterator[None]:
        """Let this thread's reads in the block share one transaction: one state of things, at the price of one."""
        with self.read(action) as connection:
            self._shared.connection = connection
            try:
                yield
            finally:
                self._shared.connection = None

    @contextlib.contextmanager
    def write(self, action: str) -> Iterator[Connection]:
        """Run a write transaction: it commits when the block ends, and leaves nothing behind when the block raises."""
        with self._translated(action), self._writer, self.engine.connect() as connection:
            writing = connection.execution_options(**{_WRITES: True})
            with writing.begin():
                yield writing

    def faults(self) -> list[str]:
        """Return what the database's own check finds wrong; PostgreSQL checks its pages as it reads them."""
        if self.engine.dialect.name != "sqlite":
            return []
        with self.read("check the file") as connection:
            checks = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
            orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").scalars().all()
        return [str(check) for check in checks if check != "ok"] + [f"an orphaned row in {table}" for table in orphans]

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise Conflict(
                f"{self.name}: could not {action}: it breaks a rule of the store: {_cause(error)}."
            ) from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.name}: could not {action}: {self._explain(error)}") from error

    def _explain(self, error: SQLAlchemyError) -> str:
        if not isinstance(error, DBAPIError):
            return f"{error}."
        cause = _cause(error)
        if any(sign in cause.lower() for sign in _CORRUPT):
            return (
                f"the file is damaged or no SQLite database ({cause}). Put back a backup of it; without one, move it "
                "away and fill a new store with 'touchstone brands seed' and 'touchstone prices import'."
            )
        if "database is locked" in cause:
            return f"another process has been writing for over {_BUSY_TIMEOUT_MS // 1000} s; stop that one or wait."
        if "no such table" in cause or "no such column" in cause:
            return f"the schema is not the expected one ({cause}); run 'python -m index.store.migrate {self.name}'."
        return f"{cause}."


def insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """Insert the rows that break no unique constraint, skip the others, and return how many were new."""
    if not rows:
        return 0
    # Both know ON CONFLICT DO NOTHING, but SQLAlchemy spells it once per dialect; PostgreSQL's driver does not count
    # the rows of a bulk insert, and SQLite has RETURNING only since 3.35.
    if connection.dialect.name == "sqlite":
        return connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows).rowcount
    new = postgresql.insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    return len(connection.execute(new, rows).all())


def lock_schema(connection: Connection) -> None:
    """Keep other processes from migrating until this transaction ends; SQLite's one writer does so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))


def lock_listing(connection: Connection, listing_id: str) -> None:
    """Keep others from deciding, reporting or removing a listing until this transaction ends.

    After the idempotency key and before every other lock, so that no two transactions wait for each other. SQLite's one
    writer does so anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(listing_id, _LISTING_LOCKS))))


def lock_names(connection: Connection) -> None:
    """Keep others from naming brands until this transaction ends: of two brands of one name, the second is refused."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_NAMES_LOCK)))


def in_batches(items: Iterable[Item], size: int = BATCH) -> Iterator[list[Item]]:
    """Yield the items in lists of up to `size`; an endless iterable is read no further ahead than that."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _cause(error: DBAPIError) -> str:
    """Return what the driver says, without PostgreSQL's further lines: they quote rows, which may be personal."""
    return (str(error.orig).splitlines() or [type(error.orig).__name__])[0]


def _parse(path_or_url: str | Path) -> URL:
    text = str(path_or_url)
    if "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StoreError(
            "The store's URL cannot be read; write sqlite:///FILE or postgresql+psycopg://HOST/NAME."
        ) from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise StoreError(f"The store cannot be kept in {url.get_backend_name()!r}; choose sqlite or postgresql.")
    return url


def _prepare_file(url: URL) -> Path:
    if url.database in (None, "", ":memory:"):
        raise StoreError("The store needs a file: in memory, each thread would see a database of its own. Name a path.")
    path = Path(str(url.database))
    if path.is_dir():
        raise StoreError(f"{path} is a folder; name a file in it, such as {path / 'touchstone.db'}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # for its owner alone: it holds who sellers are, and the secrets of audits
            path.touch(mode=0o600)
    except OSError as error:
        raise StoreError(f"{path}: it cannot be made there: {error.strerror}; choose another place.") from error
    return path


def _teach_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions at moments of its own choosing
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
