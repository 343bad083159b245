"""Which tables keep counters and the change log? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from index.store.tables.base import metadata, words

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

change_log = Table(
    "change_log",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    words("subject_id"),
    Column("mark", String(16), nullable=False, default=""),  # random: tells this history from any other; "" before 0013
)
