"""How does a store move to another database? Every table, in an order that foreign keys allow, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, delete, func, inspect, literal, select, table

from index.errors import Conflict, StoreError
from index.store.engine import Database, in_batches
from index.store.locks import lock_schema
from index.store.migrate import revision_behind
from index.store.tables import metadata
from index.store.tables.changes import counters

# The largest rows are photos' keypoints, 37 kB: 18 MiB at a time.
_ROWS = 500
# What they fill in a store that holds nothing yet.
_OF_MIGRATIONS = frozenset({counters.name, "alembic_version"})


def copy_database(source: Database, target: Database) -> dict[str, int]:
    """Copy all rows of `source`, as of one moment, into `target`, whose schema is there and empty.

    Returns the rows of each table, as counted in the target. Raises Conflict, StoreError; nothing stays then.
    """
    with source.read("read everything") as reading, target.write("copy the store") as writing:
        lock_schema(writing)
        _refuse_used(target, writing, metadata.tables)
        writing.execute(delete(counters))  # which the migrations filled
        for one in metadata.sorted_tables:
            _copy(reading, writing, one)
        found = {one.name: _count(writing, one) for one in metadata.sorted_tables}
        wanted = {one.name: _count(reading, one) for one in metadata.sorted_tables}
        if found != wanted:
            raise StoreError(f"{target.name}: not everything arrived: {found} of {wanted} rows.")
    return found


def refuse_used(path_or_url: str | Path) -> None:
    """Refuse a database that holds anything at all, of whichever release or program; nothing is written to it.

    Raises:
        Conflict: it holds something.
        StoreError: it cannot be read, belongs to something else or to a newer release.

    """
    revision_behind(path_or_url)
    database = Database(path_or_url)
    try:
        with database.read("see whether it is empty") as connection:
            _refuse_used(database, connection, inspect(connection).get_table_names())
    finally:
        database.close()


def _refuse_used(target: Database, connection: Connection, names: Iterable[str]) -> None:
    for name in names:
        if name in _OF_MIGRATIONS:
            continue
        if connection.execute(select(literal(1)).select_from(table(name)).limit(1)).first() is not None:
            raise Conflict(f"{target.name} holds {name} already; name a database that no store was kept in.")


def _copy(reading: Connection, writing: Connection, table: Table) -> None:
    key = list(table.primary_key)
    rows = reading.execution_options(yield_per=_ROWS).execute(select(table).order_by(*key))
    for batch in in_batches(rows.mappings(), _ROWS):
        writing.execute(table.insert(), [dict(row) for row in batch])
    numbered = _counts_up(table)
    if numbered is not None and writing.dialect.name == "postgresql":
        last = select(func.coalesce(func.max(numbered), 0)).scalar_subquery()
        sequence = func.pg_get_serial_sequence(table.name, numbered.name)
        writing.execute(select(func.setval(sequence, last + 1, False)))


def _counts_up(table: Table) -> Column[Any] | None:
    column = table.autoincrement_column
    return column if column is not None and isinstance(column.type, Integer) and not column.foreign_keys else None


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
