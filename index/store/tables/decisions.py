"""Which tables keep decisions and the events that tell of them? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
)

from index.store.tables.base import UtcDateTime, metadata, number, sha256, words

decisions = Table(
    "decisions",
    metadata,
    number("number"),
    Column("decision_id", Text, nullable=False, unique=True),
    words("listing_id"),
    words("seller_id"),
    words("brand"),
    Column("claimed_brand_id", Text, nullable=False, server_default=""),  # "" before 0019
    Column("verdict", String(16), nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("idempotency_key", Text, nullable=True),
    sha256("request_sha256"),
    words("model_fingerprint"),
    words("index_version"),
    words("policy_version"),
    Column("market", String(2), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("presumed_strike", Boolean, nullable=False, server_default=false()),
    Column("title_signature", LargeBinary, nullable=True),  # index.titles.signature
    # Of the payload, what is counted over many decisions; null before 0015, and the ratio where no price is known.
    Column("probability", Float, nullable=True),
    Column("price_ratio", Float, nullable=True),
    Index(None, "listing_id", "number"),
    Index(None, "seller_id", "listing_id", "verdict"),
    Index(None, "seller_id", "number"),
    Index(None, "brand", "number"),
    # Whatever is counted over many decisions stands in it, so that payloads are not read.
    Index("ix_decisions_figures", "create_time", "verdict", "brand", "market", "probability", "price_ratio"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    sha256("request_sha256"),
    # Checked at the commit, because the key is claimed before its decision is inserted.
    Column(
        "decision_id",
        ForeignKey("decisions.decision_id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("create_time", UtcDateTime, nullable=False),
)

listing_images = Table(
    "listing_images",
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    sha256("sha256"),
    Column("pdq", LargeBinary, nullable=True),
    Column("features", LargeBinary, nullable=True),  # vision.keypoints.LocalFeatures.to_bytes
    Column("embedding", LargeBinary, nullable=True),  # float16, little-endian, by the decision's model
)

decision_events = Table(
    "decision_events",
    metadata,
    Column("cursor", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("verdict", String(16), nullable=False),
    words("case_id"),
    Column("create_time", UtcDateTime, nullable=False),
)
