"""Which table keeps bulk scans? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

scans = Table(
    "scans",
    metadata,
    Column("scan_id", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("spec", LargeBinary, nullable=False),
    words("output"),
    words("started_by"),
    Column("create_time", UtcDateTime, nullable=False),
    Column("plan", LargeBinary, nullable=False),
    Column("progress", LargeBinary, nullable=False),
    Column("versions", LargeBinary, nullable=False),
    Column("error", LargeBinary, nullable=False),
    Column("queue_time", UtcDateTime, nullable=True),
    Column("start_time", UtcDateTime, nullable=True),
    Column("end_time", UtcDateTime, nullable=True),
    words("worker"),
    Column("beat_time", UtcDateTime, nullable=True),
    Column("attempts", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Index(None, "state", "queue_time"),
    Index(None, "output"),
)
