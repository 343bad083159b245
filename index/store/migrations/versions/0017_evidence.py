"""Evidence packages with the log of who took them out, and the steps of the law's procedures in cases.

Revision 0017_evidence.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables, and the index by which takedowns of a time are found."""
    op.create_table(
        "evidence_packages",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("package_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("audience", sa.String(32), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("disclosure_basis", sa.Text(), nullable=False),
        sa.Column("exported_by", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retain_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("previous_digest", sa.String(64), nullable=False),
        sa.Column("file_sha256", sa.String(64), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_evidence_packages_case_id_cases")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_evidence_packages")),
        sa.UniqueConstraint("package_id", name=op.f("uq_evidence_packages_package_id")),
    )
    op.create_index(op.f("ix_evidence_packages_case_id"), "evidence_packages", ["case_id"])
    op.create_index(
        op.f("ix_evidence_packages_listing_id_audience_number"),
        "evidence_packages",
        ["listing_id", "audience", "number"],
    )
    op.create_index(
        op.f("ix_evidence_packages_file_sha256_retain_until"), "evidence_packages", ["file_sha256", "retain_until"]
    )
    op.create_table(
        "legal_steps",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("step_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_legal_steps_case_id_cases")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_legal_steps_decision_id_decisions")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_legal_steps")),
        sa.UniqueConstraint("step_id", name=op.f("uq_legal_steps_step_id")),
    )
    op.create_index(op.f("ix_legal_steps_case_id_number"), "legal_steps", ["case_id", "number"])
    op.create_index(op.f("ix_legal_steps_decision_id_number"), "legal_steps", ["decision_id", "number"])
    op.create_index(
        op.f("ix_resolutions_verdict_resolve_time_number"), "resolutions", ["verdict", "resolve_time", "number"]
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index(op.f("ix_resolutions_verdict_resolve_time_number"), "resolutions")
    op.drop_table("legal_steps")
    op.drop_table("evidence_packages")
