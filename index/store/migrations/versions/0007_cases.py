"""What people decide: leases, resolutions, reports, appeals, verdicts.

Revision 0007. Cases that were opened before keep their place: their priority was the probability, with a reach and a
weight of 1.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# In the order of creation.
_TABLES = (
    "case_brands",
    "case_reasons",
    "resolutions",
    "batches",
    "batch_cases",
    "case_requests",
    "reports",
    "appeals",
    "secrets",
    "verdicts",
)
_NEW_WORDS = ("seller_id", "scan_id", "certificate_id", "lease_token")


def upgrade() -> None:
    """Make the tables, and widen those of cases, decisions and events."""
    op.add_column("decisions", sa.Column("market", sa.String(2), nullable=False, server_default=""))
    _widen_cases()
    _widen_events()
    _create_details()
    _create_resolutions()
    _create_batches()
    _create_complaints()
    _create_verdicts()


def downgrade() -> None:
    """Drop what `upgrade` made; cases keep their place, and lose who held them."""
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.execute("DELETE FROM counters WHERE name = 'verdicts'")
    op.drop_column("decision_events", "case_id")
    op.drop_column("decision_events", "verdict")
    # The older schema knows one case a decision, open or resolved.
    op.execute("DELETE FROM cases WHERE state NOT IN ('open', 'resolved')")
    op.execute("DELETE FROM cases WHERE case_id NOT IN (SELECT min(case_id) FROM cases GROUP BY decision_id)")
    for index in _CASE_INDEXES:
        op.drop_index(op.f(f"ix_cases_{'_'.join(index)}"), "cases")
    with op.batch_alter_table("cases") as cases:
        for name in (*_NEW_WORDS, "market", "origin", "probability", "uncalibrated_probability"):
            cases.drop_column(name)
        for name in ("drawn", "queue_key", "lot", "due_time", "update_time"):
            cases.drop_column(name)
        cases.alter_column("expected_harm", new_column_name="priority")
        cases.alter_column("holder", new_column_name="assignee")
        cases.add_column(sa.Column("resolution", sa.Text(), nullable=False, server_default=""))
        cases.add_column(sa.Column("resolve_time", sa.DateTime(timezone=True), nullable=True))
        cases.create_unique_constraint(op.f("uq_cases_decision_id"), ["decision_id"])
    op.create_index(op.f("ix_cases_state_priority_case_id"), "cases", ["state", "priority", "case_id"])
    op.drop_column("decisions", "market")


_CASE_INDEXES = (
    ("decision_id",),
    ("state", "queue_key", "case_id"),
    ("state", "lot"),
    ("state", "create_time", "case_id"),
    ("listing_id", "state"),
    ("seller_id", "state"),
)


def _widen_cases() -> None:
    op.drop_index(op.f("ix_cases_state_priority_case_id"), "cases")
    with op.batch_alter_table("cases") as cases:
        cases.drop_constraint(op.f("uq_cases_decision_id"), type_="unique")
        cases.drop_column("resolution")
        cases.drop_column("resolve_time")
        cases.alter_column("priority", new_column_name="expected_harm")
        cases.alter_column("assignee", new_column_name="holder")
        for name in _NEW_WORDS:
            cases.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=""))
        cases.add_column(sa.Column("market", sa.String(2), nullable=False, server_default=""))
        cases.add_column(sa.Column("origin", sa.String(16), nullable=False, server_default="screening"))
        for name in ("probability", "uncalibrated_probability", "queue_key", "lot"):
            cases.add_column(sa.Column(name, sa.Float(), nullable=False, server_default="0"))
        cases.add_column(sa.Column("drawn", sa.Boolean(), nullable=False, server_default=sa.false()))
        cases.add_column(sa.Column("due_time", sa.DateTime(timezone=True), nullable=True))
        cases.add_column(
            sa.Column("update_time", sa.DateTime(timezone=True), nullable=False, server_default="2025-01-01 00:00:00")
        )
    op.execute(
        "UPDATE cases SET probability = expected_harm, uncalibrated_probability = expected_harm, "
        "queue_key = expected_harm, update_time = create_time, "
        "seller_id = (SELECT seller_id FROM decisions WHERE decisions.decision_id = cases.decision_id)"
    )
    for columns in _CASE_INDEXES:
        op.create_index(op.f(f"ix_cases_{'_'.join(columns)}"), "cases", list(columns))


def _widen_events() -> None:
    op.add_column("decision_events", sa.Column("verdict", sa.String(16), nullable=False, server_default=""))
    op.add_column("decision_events", sa.Column("case_id", sa.Text(), nullable=False, server_default=""))
    op.execute(
        "UPDATE decision_events SET "
        "verdict = (SELECT verdict FROM decisions WHERE decisions.decision_id = decision_events.decision_id), "
        "case_id = COALESCE("
        "(SELECT case_id FROM cases WHERE cases.decision_id = decision_events.decision_id), '')"
    )


def _create_details() -> None:
    for table, column in (("case_brands", "brand_id"), ("case_reasons", "reason_code")):
        op.create_table(
            table,
            sa.Column("case_id", sa.Text(), nullable=False),
            sa.Column("position", sa.Integer(), nullable=False),
            sa.Column(column, sa.Text(), nullable=False),
            sa.ForeignKeyConstraint(
                ["case_id"], ["cases.case_id"], name=op.f(f"fk_{table}_case_id_cases"), ondelete="CASCADE"
            ),
            sa.PrimaryKeyConstraint("case_id", "position", name=op.f(f"pk_{table}")),
        )
        op.create_index(op.f(f"ix_{table}_{column}_case_id"), table, [column, "case_id"])


def _create_resolutions() -> None:
    op.create_table(
        "resolutions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("resolution_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("statement", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("second_reviewer", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("appeal_id", sa.Text(), nullable=False),
        sa.Column("in_force", sa.Boolean(), nullable=False),
        sa.Column("resolve_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undo_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undo_reason", sa.Text(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=False),
        sa.Column("removal_changed", sa.Boolean(), nullable=False),
        sa.Column("removal_before", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_resolutions_case_id_cases")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_resolutions_decision_id_decisions")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_resolutions")),
        sa.UniqueConstraint("resolution_id", name=op.f("uq_resolutions_resolution_id")),
    )
    op.create_index(op.f("ix_resolutions_case_id_number"), "resolutions", ["case_id", "number"])
    op.create_index(op.f("ix_resolutions_decision_id_number"), "resolutions", ["decision_id", "number"])


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_batches")),
    )
    op.create_table(
        "batch_cases",
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("resolution_id", sa.Text(), nullable=False),
        sa.Column("error", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.batch_id"], name=op.f("fk_batch_cases_batch_id_batches")),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_batch_cases")),
    )
    op.create_index(op.f("ix_batch_cases_batch_id_case_id"), "batch_cases", ["batch_id", "case_id"])
    op.create_table(
        "case_requests",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.String(64), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("scope", "request_id", name=op.f("pk_case_requests")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
    )


def _create_complaints() -> None:
    op.create_table(
        "reports",
        sa.Column("report_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("reporter_id", sa.Text(), nullable=False),
        sa.Column("reporter_type", sa.String(32), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("notice", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("image_sha256s", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("settled_by", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_reports")),
    )
    for columns in (("listing_id", "state"), ("reporter_id", "create_time"), ("seller_id", "state"), ("decision_id",)):
        op.create_index(op.f(f"ix_reports_{'_'.join(columns)}"), "reports", list(columns))
    op.create_table(
        "appeals",
        sa.Column("appeal_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("appellant_id", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("document_sha256s", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decide_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_appeals_decision_id_decisions")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_appeals_case_id_cases")),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_appeals")),
    )
    for column in ("decision_id", "case_id"):
        op.create_index(op.f(f"ix_appeals_{column}"), "appeals", [column])


def _create_verdicts() -> None:
    op.create_table(
        "verdicts",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("infringing", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("machine_verdict", sa.String(16), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("uncalibrated_probability", sa.Float(), nullable=False),
        sa.Column("certificate_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_verdicts")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_verdicts_decision_id_decisions")
        ),
    )
    op.create_index(op.f("ix_verdicts_decision_id_number"), "verdicts", ["decision_id", "number"])
    op.create_index(op.f("ix_verdicts_seller_id_number"), "verdicts", ["seller_id", "number"])
    op.execute("INSERT INTO counters (name, value) VALUES ('verdicts', 0)")
