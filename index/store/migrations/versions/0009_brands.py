"""Brands with rights, keywords and revisions, and who changed the registry.

Revision 0009. Brands that were there before begin with revision 1 and have no times.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_TIMES = ("create_time", "update_time")


def upgrade() -> None:
    """Widen brands and marks, and make the tables of what belongs to them."""
    op.add_column("brands", sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
    for name in _TIMES:
        op.add_column("brands", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("marks", sa.Column("right_ids", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("marks", sa.Column("position", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "brand_keywords",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("keyword", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "position", name=op.f("pk_brand_keywords")),
        _of_brand("brand_keywords"),
    )
    _make_rights()
    op.create_table(
        "registry_events",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_registry_events")),
    )
    op.create_index(op.f("ix_registry_events_brand_id_number"), "registry_events", ["brand_id", "number"])
    op.execute("INSERT INTO counters (name, value) VALUES ('registry', 0)")


def downgrade() -> None:
    """Drop what `upgrade` made; brands keep their names, sellers and prices, and lose the rest."""
    op.execute("DELETE FROM counters WHERE name = 'registry'")
    for table in ("registry_events", "brand_rights", "brand_keywords"):
        op.drop_table(table)
    for name in ("position", "right_ids"):
        op.drop_column("marks", name)
    for name in (*_TIMES, "revision"):
        op.drop_column("brands", name)


def _make_rights() -> None:
    op.create_table(
        "brand_rights",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("right_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(32), nullable=False),
        sa.Column("mark_text", sa.Text(), nullable=False),
        sa.Column("mark_image_sha256", sa.Text(), nullable=False),
        sa.Column("office_code", sa.String(2), nullable=False),
        sa.Column("application_number", sa.Text(), nullable=False),
        sa.Column("registration_number", sa.Text(), nullable=False),
        sa.Column("international_registration_number", sa.Text(), nullable=False),
        sa.Column("nice_classes", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("filing_date", sa.Date(), nullable=True),
        sa.Column("registration_date", sa.Date(), nullable=True),
        sa.Column("expiry_date", sa.Date(), nullable=True),
        sa.Column("territories", sa.Text(), nullable=False),
        sa.Column("owner_name", sa.Text(), nullable=False),
        sa.Column("representative", sa.Text(), nullable=False),
        sa.Column("power_of_attorney_sha256", sa.Text(), nullable=False),
        sa.Column("licensee_names", sa.Text(), nullable=False),
        sa.Column("exhaustion_regime", sa.String(16), nullable=False),
        sa.Column("exhaustion_territories", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", "right_id", name=op.f("pk_brand_rights")),
        _of_brand("brand_rights"),
    )


def _of_brand(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_brand_id_brands")
    return sa.ForeignKeyConstraint(["brand_id"], ["brands.brand_id"], name=name, ondelete="CASCADE")
