"""Price bands, and price observations numbered in the order of the commits.

Revision 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "price_bands",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category_path", sa.Text(), nullable=False),
        sa.Column("market", sa.String(2), nullable=False),
        sa.Column("low", sa.String(64), nullable=False),
        sa.Column("high", sa.String(64), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "position", name=op.f("pk_price_bands")),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.brand_id"], name=op.f("fk_price_bands_brand_id_brands")),
    )
    op.execute(
        "INSERT INTO counters (name, value) "
        "SELECT 'price_observations', COALESCE(MAX(number), 0) FROM price_observations"
    )
    op.execute("INSERT INTO counters (name, value) VALUES ('price_bands', 0)")


def downgrade() -> None:
    """Drop them."""
    op.drop_table("price_bands")
    op.execute("DELETE FROM counters WHERE name IN ('price_observations', 'price_bands')")
