"""Cases of known truth, checks of people with them, and what they answered.

Revision 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "gold_cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("marked_by", sa.Text(), nullable=False),
        sa.Column("mark_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_gold_cases")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_gold_cases_case_id_cases")),
    )
    op.create_index(op.f("ix_gold_cases_mark_time_case_id"), "gold_cases", ["mark_time", "case_id"])
    _make_checks()
    _make_answers()


def downgrade() -> None:
    """Drop it all."""
    for table in ("check_answers", "checks", "gold_cases"):
        op.drop_table(table)


def _make_checks() -> None:
    op.create_table(
        "checks",
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("gold_case_id", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("right_verdict", sa.String(16), nullable=False),
        sa.Column("expected_harm", sa.Float(), nullable=False),
        sa.Column("drawn", sa.Boolean(), nullable=False),
        sa.Column("queue_key", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("lease_token", sa.Text(), nullable=False),
        sa.Column("lease_expire_time", _TIME, nullable=True),
        sa.Column("claim_time", _TIME, nullable=True),
        sa.Column("create_time", _TIME, nullable=False),
        sa.Column("update_time", _TIME, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("check_id", name=op.f("pk_checks")),
        sa.ForeignKeyConstraint(["gold_case_id"], ["cases.case_id"], name=op.f("fk_checks_gold_case_id_cases")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_checks_decision_id")),
        sa.UniqueConstraint("gold_case_id", "reviewer", name=op.f("uq_checks_gold_case_id_reviewer")),
    )
    op.create_index(op.f("ix_checks_reviewer_state"), "checks", ["reviewer", "state"])


def _make_answers() -> None:
    op.create_table(
        "check_answers",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("resolution_id", sa.Text(), nullable=False),
        sa.Column("check_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("statement", sa.JSON(), nullable=True),
        sa.Column("agreed", sa.Boolean(), nullable=False),
        sa.Column("claim_time", _TIME, nullable=True),
        sa.Column("answer_time", _TIME, nullable=False),
        sa.Column("undo_time", _TIME, nullable=True),
        sa.Column("undo_reason", sa.Text(), nullable=False),
        sa.Column("undone_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_check_answers")),
        sa.ForeignKeyConstraint(["check_id"], ["checks.check_id"], name=op.f("fk_check_answers_check_id_checks")),
        sa.UniqueConstraint("resolution_id", name=op.f("uq_check_answers_resolution_id")),
    )
    for column in ("check_id", "answer_time"):
        op.create_index(op.f(f"ix_check_answers_{column}"), "check_answers", [column])
