"""Keypoints of references, by which matches are verified.

Revision 0002. References stored before have none: importing them again adds theirs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of references' keypoints."""
    op.create_table(
        "reference_features",
        sa.Column("reference_id", sa.Text(), nullable=False),
        sa.Column("features", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["brand_references.reference_id"],
            name="fk_reference_features_reference_id_brand_references",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("reference_id", name="pk_reference_features"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("reference_features")
