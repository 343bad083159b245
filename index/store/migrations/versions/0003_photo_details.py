"""Keypoints and embedding of listings' photos, by which cropped, mirrored and framed copies are recognised.

Revision 0003. Photos stored before have none: they are compared by their hashes, as ever.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, empty."""
    for table in ("listing_images", "removed_images"):
        op.add_column(table, sa.Column("features", sa.LargeBinary(), nullable=True))
        op.add_column(table, sa.Column("embedding", sa.LargeBinary(), nullable=True))
    op.add_column("removed_images", sa.Column("fingerprint", sa.Text(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("removed_images", "fingerprint")
    for table in ("removed_images", "listing_images"):
        op.drop_column(table, "embedding")
        op.drop_column(table, "features")
