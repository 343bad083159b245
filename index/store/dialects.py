"""What does each kind of database need to be told? How connections are made and set up. Part of `engine`.

Everything in which SQLite and PostgreSQL differ for a whole transaction stands here; what differs for one statement
stands with it (`index.store.engine.insert_new`, `index.store.changes.take`, `index.store.locks`).

SQLite: a write begins with BEGIN IMMEDIATE: a transaction that reads first and then wants to write would be refused at
once with "database is locked", however long the busy timeout. Readers see the last commit and neither wait for the
writer nor hold it up (WAL).

PostgreSQL: a read sees one state of things however many statements it takes (REPEATABLE READ, READ ONLY: never refused,
never waits). A write runs in READ COMMITTED: what it reads before it writes it protects by a lock (`index.store.locks`)
or by a counter taken first.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL

# Another process (an import beside the service) writes in batches of well under a second; a minute is a hung one.
PATIENCE_S = 60
WRITES = "touchstone_writes"

# FULL, not NORMAL: under NORMAL a power cut may take back decisions that were answered and events that followers have
# seen, whose cursors would then be given out a second time. Measured on a virtual disk: 6.8 ms a commit against 0.2 ms,
# where a CPU needs far longer to screen the listing; bulk writes commit in batches and hardly notice.
_PRAGMAS = (
    f"PRAGMA busy_timeout = {PATIENCE_S * 1000}",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)

# No transaction may hold its locks for ever: neither one whose process hangs (idle), nor one that waits for such a one
# (lock), nor one that reads without end (statement). Migrations take as long as they take (`locks.lock_schema`).
_SESSION = (
    f"SET statement_timeout = '{PATIENCE_S}s'",
    f"SET lock_timeout = '{PATIENCE_S // 2}s'",
    f"SET idle_in_transaction_session_timeout = '{PATIENCE_S}s'",
)

# A server that is gone without a word (no route, power cut) is given up after half a minute.
_CONNECTING: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "touchstone",
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

# Files are cheap: with the kept ones 64, more than the service has worker threads.
_KEPT = 8
_MOST_ON_FILE = 64


def open_engine(url: URL, *, connections: int) -> Engine:
    """Return an engine for the database at `url`; on PostgreSQL it holds `connections` at most."""
    sqlite_file = url.get_backend_name() == "sqlite"
    most = _MOST_ON_FILE if sqlite_file else connections
    engine = create_engine(
        url,
        pool_size=min(_KEPT, most),
        max_overflow=most - min(_KEPT, most),
        pool_pre_ping=not sqlite_file,  # after a restart of the server, connections from before it are replaced
        connect_args={} if sqlite_file else _CONNECTING,
        hide_parameters=True,  # they may be personal: of sellers and reporters
    )
    (_teach_sqlite if sqlite_file else _teach_postgres)(engine)
    return engine


def for_reading(engine: Engine) -> Engine:
    """Return the engine, of the same pool, on which read transactions run."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _teach_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver would begin transactions at moments of its own choosing
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _teach_postgres(engine: Engine) -> None:
    # Sent as statements, not as the connection's options: those would replace what the URL asks for.
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("; ".join(_SESSION))
        connection.commit()
