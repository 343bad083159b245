"""Which tables keep removed listings and what their photos are recognised by? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

removed_listings = Table(
    "removed_listings",
    metadata,
    Column("listing_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("reason", String(32), nullable=False),
    words("note"),
    Column("remove_time", UtcDateTime, nullable=False),
)

removed_images = Table(
    "removed_images",
    metadata,
    Column("listing_id", ForeignKey("removed_listings.listing_id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("pdq", LargeBinary, nullable=True),
    words("brand"),
    Column("features", LargeBinary, nullable=True),
    Column("embedding", LargeBinary, nullable=True),
    Column("fingerprint", Text, nullable=True),  # the model of `embedding`
)
