"""Which tables keep who sellers are, and the rings that they form? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, number, words

# Personal data. Nothing of it is read while a listing is screened, and nothing of it goes into evidence.
seller_identities = Table(
    "seller_identities",
    metadata,
    Column("seller_id", ForeignKey("sellers.seller_id", ondelete="CASCADE"), primary_key=True),
    Column("country", String(2), nullable=False),
    words("legal_name"),
    words("address"),
    words("phone"),
    words("email"),
    words("government_id"),
    words("bank_account"),
    words("bank_account_holder"),
    words("tax_id"),
    words("trade_register"),
    words("trade_register_number"),
    words("lei"),
    Column("self_certify_time", UtcDateTime, nullable=True),
    words("verification_method"),
    words("verification_result"),
    Column("verify_time", UtcDateTime, nullable=True),
    Column("collect_time", UtcDateTime, nullable=False),
    Column("annual_sales", BigInteger, nullable=True),
    Column("annual_revenue_usd", String(64), nullable=True),  # decimal digits
    Column("qualify_time", UtcDateTime, nullable=True),
)

# What of each listing is counted in its seller's tally, so that it can be taken out again exactly.
seller_listings = Table(
    "seller_listings",
    metadata,
    Column("listing_id", Text, primary_key=True),
    Column("seller_id", Text, primary_key=True),  # a listing that changed hands is counted for each seller
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("decide_time", UtcDateTime, nullable=False),
    Column("struck", Boolean, nullable=False),
)

seller_tallies = Table(
    "seller_tallies",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("listings", BigInteger, nullable=False),
    Column("strikes", BigInteger, nullable=False),
    Column("listings_weight", Float(53), nullable=False),  # sums of index.strikes.weight_at
    Column("strikes_weight", Float(53), nullable=False),
    Column("first_time", UtcDateTime, nullable=False),
)

seller_priors = Table(
    "seller_priors",
    metadata,
    number("number"),
    Column("kind", String(16), nullable=False),  # "strikes" or "reports"
    Column("alpha", Float(53), nullable=False),
    Column("beta", Float(53), nullable=False),
    Column("sellers", BigInteger, nullable=False),
    Column("events", Float(53), nullable=False),
    Column("exposure", Float(53), nullable=False),
    Column("fit_time", UtcDateTime, nullable=False),
    Index(None, "kind", "number"),
)

seller_rings = Table(
    "seller_rings",
    metadata,
    Column("ring_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("shared_photos", Integer, nullable=False),
    Column("shared_titles", Integer, nullable=False),
    Column("find_time", UtcDateTime, nullable=False),
)

seller_ring_members = Table(
    "seller_ring_members",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("ring_id", ForeignKey("seller_rings.ring_id", ondelete="CASCADE"), nullable=False, index=True),
)

# What two sellers of a ring share.
seller_ring_links = Table(
    "seller_ring_links",
    metadata,
    Column("first_seller_id", Text, primary_key=True),
    Column("second_seller_id", Text, primary_key=True),
    Column("ring_id", ForeignKey("seller_rings.ring_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("photos", Integer, nullable=False),
    Column("titles", Integer, nullable=False),
)
