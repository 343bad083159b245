"""Which tables keep prices and sellers? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, number, words

price_observations = Table(
    "price_observations",
    metadata,
    number("number"),
    Column("observation_id", Text, nullable=True, unique=True),
    words("brand"),
    words("category"),
    words("condition"),
    Column("amount", String(64), nullable=False),  # decimal digits: a float would not give 0.1 back
    Column("currency", String(3), nullable=False),
    Column("observe_time", UtcDateTime, nullable=True),
)

sellers = Table(
    "sellers",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("verified", Boolean, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    # The three that follow are told by the identity, in `index.store.tables.sellers`: what every screening asks for.
    Column("verification", String(16), nullable=True),
    Column("certify_time", UtcDateTime, nullable=True),
    Column("sales", BigInteger, nullable=True),
)

authorised_sellers = Table(
    "authorised_sellers",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id"), primary_key=True),
    Column("seller_id", Text, primary_key=True),  # no foreign key: a brand may list sellers who have not come yet
    Column("territory", String(2), primary_key=True),  # "" is everywhere
    Column("valid_from", UtcDateTime, nullable=True),
    Column("valid_until", UtcDateTime, nullable=True),
)
