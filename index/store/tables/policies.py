"""Which tables keep policies, their versions and what became of them? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

policies = Table(
    "policies",
    metadata,
    Column("version", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    words("author"),
    Column("create_time", UtcDateTime, nullable=False),
)

policy_events = Table(
    "policy_events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("version", ForeignKey("policies.version"), nullable=False),
    Column("action", String(16), nullable=False),
    words("actor"),
    words("why"),
    Column("time", UtcDateTime, nullable=False),
    Column("before", String(16), nullable=True),
    Column("after", String(16), nullable=False),
)

decision_facts = Table(
    "decision_facts",
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("facts", LargeBinary, nullable=False),  # serving.facts_record
)

shadow_outcomes = Table(
    "shadow_outcomes",
    metadata,
    # No foreign key to `policies`: a decision under way may outlive what is known of its shadow policy.
    Column("policy_version", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("verdict", String(16), nullable=True),
    words("fired"),  # rule ids, a space between two
    Column("errors", Integer, nullable=False),
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("subject", String(16), nullable=False),
    words("subject_id"),
    words("subject_key"),  # a brand's name in its normal form, any other id as it is
    Column("verdict", String(16), nullable=False),
    words("why"),
    words("author"),
    Column("create_time", UtcDateTime, nullable=False),
    Column("expire_time", UtcDateTime, nullable=True),
    Column("lift_time", UtcDateTime, nullable=True),
    words("lifted_by"),
    words("lift_why"),
    # Every screening asks for the holds on its listing, seller and brand.
    Index(None, "subject", "subject_key"),
)
