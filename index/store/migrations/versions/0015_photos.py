"""Photos that are kept for the people who decide.

Revision 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "kept_photos",
        sa.Column("owner", sa.String(16), nullable=False),
        sa.Column("owner_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("needed_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("owner", "owner_id", "position", name=op.f("pk_kept_photos")),
    )
    op.create_index(op.f("ix_kept_photos_sha256_state"), "kept_photos", ["sha256", "state"])
    op.create_index(op.f("ix_kept_photos_state_create_time"), "kept_photos", ["state", "create_time"])
    op.create_index(op.f("ix_kept_photos_listing_id"), "kept_photos", ["listing_id"])
    op.create_index(op.f("ix_kept_photos_seller_id"), "kept_photos", ["seller_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("kept_photos")
