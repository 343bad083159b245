"""Regions of screened listings.

Revision 0011. Listings that were screened before are found once they are screened again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "listing_regions",
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("places", sa.LargeBinary(), nullable=False),
        sa.Column("marks", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("listing_id", name=op.f("pk_listing_regions")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_listing_regions_decision_id")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_listing_regions_decision_id_decisions")
        ),
    )
    op.create_table(
        "listing_brands",
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("listing_id", "brand_id", name=op.f("pk_listing_brands")),
        sa.ForeignKeyConstraint(
            ["listing_id"],
            ["listing_regions.listing_id"],
            name=op.f("fk_listing_brands_listing_id_listing_regions"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_listing_brands_brand_id_listing_id"), "listing_brands", ["brand_id", "listing_id"])
    op.create_table(
        "catalogue_cursors",
        sa.Column("name", sa.String(256), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_catalogue_cursors")),
    )
    _make_sweep_hits()


def _make_sweep_hits() -> None:
    op.create_table(
        "sweep_hits",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("reference_id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("image_index", sa.Integer(), nullable=False),
        *(sa.Column(edge, sa.Float(), nullable=False) for edge in ("x1", "y1", "x2", "y2")),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", "reference_id", name=op.f("pk_sweep_hits")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_sweep_hits_decision_id_decisions")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_sweep_hits_case_id_cases")),
    )
    op.create_index(op.f("ix_sweep_hits_case_id"), "sweep_hits", ["case_id"])


def downgrade() -> None:
    """Drop them; events that no earlier release knows go as well."""
    op.execute("DELETE FROM decision_events WHERE kind = 'forgotten'")
    for table in ("sweep_hits", "catalogue_cursors", "listing_brands", "listing_regions"):
        op.drop_table(table)
