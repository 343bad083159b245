"""Which tables keep brands and their marks? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from index.store.tables.base import metadata, words

brands = Table(
    "brands",
    metadata,
    Column("brand_id", Text, primary_key=True),
    words("name"),
    Column("lists_sellers", Boolean, nullable=False, default=False),
)

brand_names = Table(
    "brand_names",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 is the name itself, aliases follow
    words("name"),
    words("lookup_key"),
    Index(None, "lookup_key"),
)

marks = Table(
    "marks",
    metadata,
    Column("mark_id", Text, primary_key=True),
    Column("brand_id", ForeignKey("brands.brand_id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    words("name"),
)
