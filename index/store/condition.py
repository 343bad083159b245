"""Which database is this, and does it keep what it is told? What `touchstone doctor` says of the store."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.pool import QueuePool

from index.store.engine import Database

_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, kw_only=True)
class StoreCondition:
    """How a store's database is set up. `danger` says what may be lost, and the remedy; "" when nothing is."""

    engine: str
    version: str
    revision: str
    connections: int
    danger: str

    def __str__(self) -> str:
        return f"{self.engine} {self.version}, schema {self.revision}, up to {self.connections} connections"


def condition_of(database: Database) -> StoreCondition:
    """Ask the database about itself. Raises StoreError."""
    with database.read("look at the database") as connection:
        dialect = connection.dialect
        revision = MigrationContext.configure(connection).get_current_revision()
        danger = _danger(connection) if dialect.name == "postgresql" else ""
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return StoreCondition(
        engine=_NAMES[dialect.name],
        version=".".join(map(str, dialect.server_version_info or ())),
        revision=revision or "none",
        connections=pool.size() + pool._max_overflow,
        danger=danger,
    )


def _danger(connection: Connection) -> str:
    off = [
        name
        for name in ("fsync", "synchronous_commit", "full_page_writes")
        if connection.exec_driver_sql(f"SHOW {name}").scalar_one() == "off"
    ]
    if not off:
        return ""
    return f"{' and '.join(off)} is off: a power cut takes back what was acknowledged; turn it on in postgresql.conf."
