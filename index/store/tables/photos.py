"""Which table says which photos are kept? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, sha256, words

kept_photos = Table(
    "kept_photos",
    metadata,
    Column("owner", String(16), primary_key=True),
    Column("owner_id", Text, primary_key=True),  # a decision's or a report's id
    Column("position", Integer, primary_key=True),
    sha256("sha256"),
    Column("size", BigInteger, nullable=False),
    words("listing_id"),
    words("seller_id"),
    words("brand"),
    Column("state", String(16), nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("needed_until", UtcDateTime, nullable=True),
    Index(None, "sha256", "state"),
    Index(None, "state", "create_time"),
    Index(None, "listing_id"),
    Index(None, "seller_id"),
)
