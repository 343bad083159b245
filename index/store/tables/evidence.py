"""Which tables keep evidence packages and the steps of the law's procedures? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, number, sha256, words

evidence_packages = Table(
    "evidence_packages",
    metadata,
    number("number"),
    Column("package_id", Text, nullable=False, unique=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True),
    words("listing_id"),
    Column("audience", String(32), nullable=False),
    words("recipient"),
    words("disclosure_basis"),
    words("exported_by"),
    Column("create_time", UtcDateTime, nullable=False),
    Column("retain_until", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=False),  # the package's sha256, for ever
    Column("size_bytes", BigInteger, nullable=False),
    Column("previous_digest", String(64), nullable=False),  # "" for the first
    sha256("file_sha256"),  # the same while the blob store keeps the file, "" afterwards
    Index(None, "listing_id", "audience", "number"),
    Index(None, "file_sha256", "retain_until"),
)

legal_steps = Table(
    "legal_steps",
    metadata,
    number("number"),
    Column("step_id", Text, nullable=False, unique=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("time", UtcDateTime, nullable=False),
    words("reference"),
    words("reviewer"),
    Column("record_time", UtcDateTime, nullable=False),
    Index(None, "case_id", "number"),
    Index(None, "decision_id", "number"),
)
