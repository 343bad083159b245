"""Which tables keep what is learnt from verdicts: calibrations, certificates, audits? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, number, words

# The states themselves are recomputed from the verdicts; `payload` is kept of the newest and of one in a thousand.
calibrations = Table(
    "calibrations",
    metadata,
    Column("fusion_version", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False, unique=True),
    Column("learnt", Integer, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("payload", LargeBinary, nullable=True),
)

brand_tiers = Table(
    "brand_tiers",
    metadata,
    Column("brand", Text, primary_key=True),
    words("tier"),
    Column("since", UtcDateTime, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    Column("certificate_id", Text, primary_key=True),
    words("tier"),
    Column("threshold", Float, nullable=False),
    Column("target", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("verified", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("bound", Float, nullable=False),
    words("fusion_version"),
    words("calibration"),
    words("model_fingerprint"),
    words("policy_version"),
    Column("last_verdict", BigInteger, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("expire_time", UtcDateTime, nullable=False),
)

# Certificates do not change; what changes is written below the last line, with who and why.
certificate_changes = Table(
    "certificate_changes",
    metadata,
    number("number"),
    Column("certificate_id", ForeignKey("certificates.certificate_id"), nullable=False),
    Column("state", String(16), nullable=False),
    words("reason"),
    words("actor"),
    Column("create_time", UtcDateTime, nullable=False),
    Column("after_verdict", BigInteger, nullable=False),
    Index(None, "certificate_id", "number"),
)

wagers = Table(
    "wagers",
    metadata,
    Column("certificate_id", ForeignKey("certificates.certificate_id"), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("verified", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("wealth", Float, nullable=False),
)
