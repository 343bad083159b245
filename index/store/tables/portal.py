"""Which tables keep advice to buyers, applications for brands and who was given one? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, number, words

# One row for each time that it was set, and never deleted: the last one counts, the others are its history.
buyer_advice = Table(
    "buyer_advice",
    metadata,
    number("number"),
    Column("brand_id", ForeignKey("brands.brand_id"), nullable=False),
    Column("items", JSON, nullable=False),
    words("serial_template"),
    words("actor"),
    Column("create_time", UtcDateTime, nullable=False),
    Index(None, "brand_id", "number"),
)

brand_applications = Table(
    "brand_applications",
    metadata,
    Column("application_id", Text, primary_key=True),
    words("applicant"),
    words("note"),
    Column("payload", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    words("reason"),
    words("brand_id"),  # no foreign key: "" until it is approved
    words("decided_by"),
    Column("create_time", UtcDateTime, nullable=False),
    Column("decide_time", UtcDateTime, nullable=True),
    Index(None, "create_time", "application_id"),
    Index(None, "state", "create_time", "application_id"),
    Index(None, "applicant", "create_time", "application_id"),
)

brand_grants = Table(
    "brand_grants",
    metadata,
    Column("holder", Text, primary_key=True),  # the name in a caller's credential
    Column("brand_id", Text, primary_key=True),  # no foreign key: as `api_key_brands`
    words("granted_by"),
    Column("create_time", UtcDateTime, nullable=False),
)
