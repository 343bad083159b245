"""Which tables keep cases, what people decided in them, reports and appeals? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    text,
)

from index.store.tables.base import UtcDateTime, metadata, number, sha256, words

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False, index=True),
    words("listing_id"),
    words("seller_id"),
    words("brand"),
    Column("market", String(2), nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    words("scan_id"),
    Column("probability", Float, nullable=False),
    Column("uncalibrated_probability", Float, nullable=False),
    words("certificate_id"),
    Column("expected_harm", Float, nullable=False),
    Column("drawn", Boolean, nullable=False),
    # The place in the queue, and the lot by which it is lent to a case that is drawn: `index.store.case_queue`.
    Column("queue_key", Float, nullable=False),
    Column("lot", Float, nullable=False),
    Column("state", String(16), nullable=False),
    words("holder"),
    words("lease_token"),
    Column("lease_expire_time", UtcDateTime, nullable=True),
    Column("claim_time", UtcDateTime, nullable=True),  # since when its holder has it
    # The chance with which an audit was drawn; null for other cases, and for audits before 0015.
    Column("audit_share", Float, nullable=True),
    Column("due_time", UtcDateTime, nullable=True),
    Column("create_time", UtcDateTime, nullable=False),
    Column("update_time", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Index(None, "state", "queue_key", "case_id"),
    Index(None, "state", "lot"),
    Index(None, "state", "create_time", "case_id"),
    # Who waits, held or not, is counted in it alone; changing a lease writes to every index, but people do that.
    Index(None, "state", "lease_expire_time"),
    Index(None, "origin", "create_time"),
    Index(None, "listing_id", "state"),
    Index(None, "seller_id", "state"),
    # Whatever is counted over all cases of a time stands in it, so that rows are not read.
    Index("ix_cases_figures", "create_time", "verdict", "origin", "brand", "market"),
)

case_brands = Table(
    "case_brands",
    metadata,
    Column("case_id", ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    words("brand_id"),  # no foreign key: a case outlives a brand
    Index(None, "brand_id", "case_id"),
)

case_reasons = Table(
    "case_reasons",
    metadata,
    Column("case_id", ForeignKey("cases.case_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    words("reason_code"),
    Index(None, "reason_code", "case_id"),
)

resolutions = Table(
    "resolutions",
    metadata,
    number("number"),
    Column("resolution_id", Text, nullable=False, unique=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("verdict", String(16), nullable=False),
    words("reason_code"),
    words("note"),
    Column("statement", JSON(none_as_null=True), nullable=True),
    words("reviewer"),
    words("second_reviewer"),
    words("batch_id"),
    words("appeal_id"),
    Column("in_force", Boolean, nullable=False),
    Column("resolve_time", UtcDateTime, nullable=False),
    Column("undo_time", UtcDateTime, nullable=True),
    words("undo_reason"),
    words("undone_by"),
    # What `index.store.removals` puts back when it is undone.
    Column("removal_changed", Boolean, nullable=False),
    Column("removal_before", JSON(none_as_null=True), nullable=True),
    Index(None, "case_id", "number"),
    Index(None, "decision_id", "number"),
    Index(None, "verdict", "resolve_time", "number"),  # the takedowns of a time
    Index(None, "resolve_time"),
    Index(None, "undo_time"),
)

# Every answer that a person gave in a case, however the case went on: `index.store.reviews`.
reviews = Table(
    "reviews",
    metadata,
    number("number"),
    words("reviewer"),
    Column("kind", String(16), nullable=False),
    words("case_id"),
    words("resolution_id"),
    Column("verdict", String(16), nullable=False),
    words("judges"),  # the resolution in force, or waiting, that this answer looks at again; "" when there is none
    Column("claim_time", UtcDateTime, nullable=True),
    Column("answer_time", UtcDateTime, nullable=False),
    Index(None, "reviewer", "answer_time"),
    Index(None, "answer_time", "reviewer"),
    Index(None, "resolution_id"),
    # Hardly any answer looks at another one again: with all the others, SQLite would think nothing of this index.
    Index("ix_reviews_judges", "judges", sqlite_where=text("judges <> ''"), postgresql_where=text("judges <> ''")),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("create_time", UtcDateTime, nullable=False),
)

batch_cases = Table(
    "batch_cases",
    metadata,
    Column("batch_id", ForeignKey("batches.batch_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    words("case_id"),  # no foreign key: a batch answers for a case that does not exist, too
    words("resolution_id"),
    Column("error", LargeBinary, nullable=False),
    Index(None, "batch_id", "case_id"),
)

case_requests = Table(
    "case_requests",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("request_id", Text, primary_key=True),
    sha256("request_sha256"),
    words("subject_id"),
    Column("create_time", UtcDateTime, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("report_id", Text, primary_key=True),
    words("listing_id"),
    words("seller_id"),
    words("reporter_id"),
    Column("reporter_type", String(32), nullable=False),
    words("reason_code"),
    words("text"),
    Column("notice", JSON(none_as_null=True), nullable=True),
    Column("image_sha256s", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    words("case_id"),
    # The decision and the resolution that settled it; "" until then.
    words("decision_id"),
    words("settled_by"),
    # The brand whose owner reports, and the name in the caller's credential; "" where there is none.
    words("brand_id"),
    words("filed_by"),
    Column("create_time", UtcDateTime, nullable=False),
    Index(None, "brand_id", "create_time", "report_id"),
    Index(None, "brand_id", "state", "create_time"),
    Index(None, "listing_id", "state"),
    Index(None, "reporter_id", "create_time"),
    Index(None, "seller_id", "state"),
    Index(None, "decision_id"),
    Index(None, "create_time"),
)

appeals = Table(
    "appeals",
    metadata,
    Column("appeal_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False, index=True),
    Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True),
    words("appellant_id"),
    words("statement"),
    Column("document_sha256s", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    words("reviewer"),
    words("answer"),
    Column("create_time", UtcDateTime, nullable=False, index=True),
    Column("due_time", UtcDateTime, nullable=False),
    Column("decide_time", UtcDateTime, nullable=True, index=True),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
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
    Index(None, "create_time"),
    Index(None, "brand", "create_time"),
    Index(None, "decision_id", "number"),
    Index(None, "seller_id", "number"),
)
