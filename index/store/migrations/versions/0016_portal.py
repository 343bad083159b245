"""Advice to buyers, applications for brands and their grants, whose notice a report is, and where a brand was seen.

Revision 0016. Of listings that were screened before, the place where a brand was seen is not known: they are no hits
until they are screened again. Reports of before were nobody's notice.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_CORNERS = ("x1", "y1", "x2", "y2")
_INDEXES = (
    ("listing_brands", ["brand_id", "screen_time", "listing_id"]),
    ("listing_brands", ["reference_id", "screen_time", "listing_id"]),
    ("reports", ["brand_id", "create_time", "report_id"]),
    ("reports", ["brand_id", "state", "create_time"]),
)


def upgrade() -> None:
    """Make the tables, and widen those of reports and of brands in listings."""
    op.create_table(
        "buyer_advice",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("serial_template", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_buyer_advice")),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.brand_id"], name=op.f("fk_buyer_advice_brand_id_brands")),
    )
    _index("buyer_advice", ["brand_id", "number"])
    op.create_table(
        "brand_applications",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("application_id", "applicant", "note")),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("reason", "brand_id", "decided_by")),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decide_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("application_id", name=op.f("pk_brand_applications")),
    )
    for first in ([], ["state"], ["applicant"]):
        _index("brand_applications", [*first, "create_time", "application_id"])
    op.create_table(
        "brand_grants",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("holder", "brand_id", "granted_by")),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", "brand_id", name=op.f("pk_brand_grants")),
    )
    for name in ("brand_id", "filed_by"):
        op.add_column("reports", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    for column in _seen():
        op.add_column("listing_brands", column)
    for table, columns in _INDEXES:
        _index(table, columns)


def downgrade() -> None:
    """Drop them again."""
    for table, columns in _INDEXES:
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    for column in _seen():
        op.drop_column("listing_brands", column.name)
    for name in ("brand_id", "filed_by"):
        op.drop_column("reports", name)
    for table in ("brand_grants", "brand_applications", "buyer_advice"):
        op.drop_table(table)


def _seen() -> list[sa.Column[Any]]:
    return [
        sa.Column("reference_id", sa.Text(), nullable=True),
        sa.Column("image_index", sa.Integer(), nullable=True),
        *(sa.Column(corner, sa.Float(), nullable=True) for corner in (*_CORNERS, "probability")),
        sa.Column("screen_time", sa.DateTime(timezone=True), nullable=True),
    ]


def _index(table: str, columns: list[str]) -> None:
    op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)
