"""What people decide: leases, resolutions, reports, appeals, verdicts.

Revision 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
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


def downgrade() -> None:
    """Drop them."""
    op.drop_table("verdicts")
    op.execute("DELETE FROM counters WHERE name = 'verdicts'")
