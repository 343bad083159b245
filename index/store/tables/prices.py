"""Which tables keep price bands, and what is learnt from prices? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, String, Table, Text

from index.store.tables.base import metadata

price_bands = Table(
    "price_bands",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("category_path", Text, nullable=False),  # a JSON list of strings
    Column("market", String(2), nullable=False),  # "" is every market
    Column("low", String(64), nullable=False),  # decimal digits: a float would not give 0.1 back
    Column("high", String(64), nullable=False),
    Column("currency", String(3), nullable=False),
)
