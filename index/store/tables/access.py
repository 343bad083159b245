"""Which tables keep API keys and whom they stand for? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    words("name"),
    words("secret_hash"),
    words("roles"),  # a space between two
    Column("create_time", UtcDateTime, nullable=False),
    words("created_by"),
    Column("expire_time", UtcDateTime, nullable=True),
    Column("revoke_time", UtcDateTime, nullable=True),
    words("revoked_by"),
)

api_key_brands = Table(
    "api_key_brands",
    metadata,
    Column("key_id", ForeignKey("api_keys.key_id"), primary_key=True),
    # No foreign key to `brands`: what a key may see outlives a brand, and opens nothing while there is none.
    Column("brand_id", Text, primary_key=True),
)
