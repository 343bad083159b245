"""Which tables keep brands, their rights and marks, and who changed them? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Date, ForeignKey, Index, Integer, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

brands = Table(
    "brands",
    metadata,
    Column("brand_id", Text, primary_key=True),
    words("name"),
    Column("lists_sellers", Boolean, nullable=False, default=False),
    Column("revision", Integer, nullable=False, default=1),  # grows with every change: what an etag is made of
    Column("create_time", UtcDateTime, nullable=True),  # null: recorded by a release that kept no times
    Column("update_time", UtcDateTime, nullable=True),
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
    Column("right_ids", Text, nullable=False, default="[]"),  # a JSON list: `brand_rights.right_id`s of the brand
    Column("position", Integer, nullable=False, default=0),
)

brand_keywords = Table(
    "brand_keywords",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    words("keyword"),
)

brand_rights = Table(
    "brand_rights",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id", ondelete="CASCADE"), primary_key=True),
    Column("right_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("type", String(32), nullable=False),
    words("mark_text"),
    words("mark_image_sha256"),  # "" where there is no picture
    Column("office_code", String(2), nullable=False),
    words("application_number"),
    words("registration_number"),
    words("international_registration_number"),
    words("nice_classes"),  # lists are JSON
    Column("status", String(16), nullable=False),
    Column("filing_date", Date, nullable=True),
    Column("registration_date", Date, nullable=True),
    Column("expiry_date", Date, nullable=True),
    words("territories"),
    words("owner_name"),
    words("representative"),
    words("power_of_attorney_sha256"),
    words("licensee_names"),
    Column("exhaustion_regime", String(16), nullable=False),
    words("exhaustion_territories"),
)

registry_events = Table(
    "registry_events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # from `counters`, in the order of commits
    words("brand_id"),
    words("subject_id"),
    Column("action", String(32), nullable=False),
    words("actor"),
    Column("create_time", UtcDateTime, nullable=False),
    words("fields"),  # a JSON list
    words("before"),
    Index(None, "brand_id", "number"),
)
