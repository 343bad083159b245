"""Which tables keep cases of known truth, and what people answered to them? Part of `index.store.tables`.

Checks are no rows of `cases`, and answers to them none of `resolutions` or `reviews`, so that what counts those counts
no check.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    UniqueConstraint,
)

from index.store.tables.base import UtcDateTime, metadata, number, words

gold_cases = Table(
    "gold_cases",
    metadata,
    Column("case_id", ForeignKey("cases.case_id"), primary_key=True),
    Column("verdict", String(16), nullable=False),  # the right answer
    words("note"),
    words("marked_by"),
    Column("mark_time", UtcDateTime, nullable=False),
    Index(None, "mark_time", "case_id"),
)

# A gold case as it is shown to one person, under another id and with times of today.
checks = Table(
    "checks",
    metadata,
    Column("check_id", Text, primary_key=True),
    Column("gold_case_id", ForeignKey("cases.case_id"), nullable=False),
    words("reviewer"),
    Column("decision_id", Text, nullable=False, unique=True),  # of no decision on record
    Column("payload", LargeBinary, nullable=False),
    Column("right_verdict", String(16), nullable=False),
    Column("expected_harm", Float, nullable=False),
    Column("drawn", Boolean, nullable=False),
    Column("queue_key", Float, nullable=False),
    Column("state", String(16), nullable=False),
    words("holder"),
    words("lease_token"),
    Column("lease_expire_time", UtcDateTime, nullable=True),
    Column("claim_time", UtcDateTime, nullable=True),
    Column("create_time", UtcDateTime, nullable=False),  # as it is shown
    Column("update_time", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    UniqueConstraint("gold_case_id", "reviewer"),
    Index(None, "reviewer", "state"),
)

check_answers = Table(
    "check_answers",
    metadata,
    number("number"),
    Column("resolution_id", Text, nullable=False, unique=True),
    Column("check_id", ForeignKey("checks.check_id"), nullable=False, index=True),
    Column("verdict", String(16), nullable=False),
    words("reason_code"),
    words("note"),
    Column("statement", JSON(none_as_null=True), nullable=True),
    Column("agreed", Boolean, nullable=False),
    Column("claim_time", UtcDateTime, nullable=True),
    Column("answer_time", UtcDateTime, nullable=False, index=True),
    Column("undo_time", UtcDateTime, nullable=True),
    words("undo_reason"),
    words("undone_by"),
)
