"""Which brand a listing's own words claim, kept with its decision beside the one at stake.

Revision 0019. Of decisions on record it is not known, for whether a brand was named or only seen stands nowhere.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("decisions", sa.Column("claimed_brand_id", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("decisions", "claimed_brand_id")
