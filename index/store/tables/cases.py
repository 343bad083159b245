"""Which tables keep cases, what people decided in them, reports and appeals? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False, unique=True),
    words("listing_id"),
    words("brand"),
    Column("verdict", String(16), nullable=False),
    Column("priority", Float, nullable=False),
    Column("state", String(16), nullable=False),
    words("assignee"),
    Column("lease_expire_time", UtcDateTime, nullable=True),
    words("resolution"),
    Column("resolve_time", UtcDateTime, nullable=True),
    Column("create_time", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Index(None, "state", "priority", "case_id"),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    words("listing_id"),
    words("seller_id"),
    words("brand"),
    Column("infringing", Boolean, nullable=False),
    Column("source", String(16), nullable=False),
    Column("machine_verdict", String(16), nullable=False),
    Column("probability", Float, nullable=False),
    Column("uncalibrated_probability", Float, nullable=False),
    words("certificate_id"),
    Column("create_time", UtcDateTime, nullable=False),
    Column("undone", Boolean, nullable=False),
    Index(None, "decision_id", "number"),
    Index(None, "seller_id", "number"),
)
