"""Do two stores hold the same? Rows and a checksum of each table, the same for the same content on every database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table, select

from index.store.engine import Database
from index.store.tables import metadata

_ROWS = 500


@dataclass(frozen=True)
class TableSum:
    """A table's rows, and the SHA-256 over them in the order of its key."""

    rows: int
    sha256: str


def table_sums(database: Database) -> dict[str, TableSum]:
    """Return the sum of each table, as of one moment. Reads everything: a million rows take about half a minute."""
    with database.reading("add up the tables"):
        return {table.name: _sum(database, table) for table in metadata.sorted_tables}


def _sum(database: Database, table: Table) -> TableSum:
    known, count = hashlib.sha256(), 0
    with database.read("add up a table") as connection:
        query = select(table).order_by(*table.primary_key)
        for row in connection.execution_options(yield_per=_ROWS).execute(query):
            known.update(_written(tuple(row)))
            count += 1
    return TableSum(count, known.hexdigest())


def _written(row: Sequence[Any]) -> bytes:
    """Write a row so that no other row is written alike: each value with its kind and length."""
    parts = []
    for value in row:
        kind, content = _value(value)
        parts.append(b"%s%d:%s" % (kind, len(content), content))
    return b"".join(parts) + b"\n"


def _value(value: Any) -> tuple[bytes, bytes]:
    match value:
        case None:
            return b"n", b""
        case bool() | int() | float():
            return b"v", repr(value).encode()
        case str():
            return b"s", value.encode()
        case bytes():
            return b"b", value
        case datetime() | date():
            return b"t", value.isoformat().encode()
        case _:  # a JSON column's
            return b"j", json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
