"""The first schema: registry, references, prices, sellers, decisions, cases and removals.

Revision 0001, made for release 0.1.0.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# In the order of creation; the reverse drops every table before the one that it points to.
_TABLES = (
    "counters",
    "change_log",
    "brands",
    "brand_names",
    "marks",
    "brand_references",
    "reference_embeddings",
    "price_observations",
    "sellers",
    "authorised_sellers",
    "decisions",
    "idempotency_keys",
    "listing_images",
    "decision_events",
    "cases",
    "removed_listings",
    "removed_images",
)


def upgrade() -> None:
    """Create all tables."""
    _create_counters()
    _create_registry()
    _create_references()
    _create_market()
    _create_decisions()
    _create_cases()
    _create_removals()


def downgrade() -> None:
    """Drop all tables, with their indexes."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_counters() -> None:
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.execute("INSERT INTO counters (name, value) VALUES ('changes', 0), ('events', 0)")
    op.create_table(
        "change_log",
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_change_log"),
    )


def _create_registry() -> None:
    op.create_table(
        "brands",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lists_sellers", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("brand_id", name="pk_brands"),
    )
    op.create_table(
        "brand_names",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lookup_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["brand_id"], ["brands.brand_id"], name="fk_brand_names_brand_id_brands", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("brand_id", "position", name="pk_brand_names"),
    )
    op.create_index("ix_brand_names_lookup_key", "brand_names", ["lookup_key"])
    op.create_table(
        "marks",
        sa.Column("mark_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.brand_id"], name="fk_marks_brand_id_brands"),
        sa.PrimaryKeyConstraint("mark_id", name="pk_marks"),
    )
    op.create_index("ix_marks_brand_id", "marks", ["brand_id"])


def _create_references() -> None:
    op.create_table(
        "brand_references",
        sa.Column("reference_id", sa.Text(), nullable=False),
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("mark_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("image_sha256", sa.String(length=64), nullable=False),
        sa.Column("x1", sa.Float(), nullable=True),
        sa.Column("y1", sa.Float(), nullable=True),
        sa.Column("x2", sa.Float(), nullable=True),
        sa.Column("y2", sa.Float(), nullable=True),
        sa.Column("pdq", sa.LargeBinary(), nullable=True),
        sa.Column("pdq_mirrored", sa.LargeBinary(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("submitter", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.brand_id"], name="fk_brand_references_brand_id_brands"),
        sa.ForeignKeyConstraint(["mark_id"], ["marks.mark_id"], name="fk_brand_references_mark_id_marks"),
        sa.PrimaryKeyConstraint("reference_id", name="pk_brand_references"),
    )
    op.create_index("ix_brand_references_brand_id", "brand_references", ["brand_id"])
    op.create_index("ix_brand_references_state", "brand_references", ["state"])
    op.create_table(
        "reference_embeddings",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("reference_id", sa.Text(), nullable=False),
        sa.Column("variant", sa.Integer(), nullable=False),
        sa.Column("dim", sa.Integer(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"],
            ["brand_references.reference_id"],
            name="fk_reference_embeddings_reference_id_brand_references",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("fingerprint", "reference_id", "variant", name="pk_reference_embeddings"),
    )
    op.create_index("ix_reference_embeddings_reference_id", "reference_embeddings", ["reference_id"])


def _create_market() -> None:
    op.create_table(
        "price_observations",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("observation_id", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("amount", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("observe_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_price_observations"),
        sa.UniqueConstraint("observation_id", name="uq_price_observations_observation_id"),
    )
    op.create_table(
        "sellers",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seller_id", name="pk_sellers"),
    )
    op.create_table(
        "authorised_sellers",
        sa.Column("brand_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("territory", sa.String(length=2), nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brands.brand_id"], name="fk_authorised_sellers_brand_id_brands"),
        sa.PrimaryKeyConstraint("brand_id", "seller_id", "territory", name="pk_authorised_sellers"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("model_fingerprint", sa.Text(), nullable=False),
        sa.Column("index_version", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_decisions"),
        sa.UniqueConstraint("decision_id", name="uq_decisions_decision_id"),
    )
    op.create_index("ix_decisions_brand_number", "decisions", ["brand", "number"])
    op.create_index("ix_decisions_create_time", "decisions", ["create_time"])
    op.create_index("ix_decisions_listing_id_number", "decisions", ["listing_id", "number"])
    op.create_index("ix_decisions_seller_id_listing_id_verdict", "decisions", ["seller_id", "listing_id", "verdict"])
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"],
            ["decisions.decision_id"],
            name="fk_idempotency_keys_decision_id_decisions",
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_idempotency_keys"),
    )
    op.create_table(
        "listing_images",
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("pdq", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name="fk_listing_images_decision_id_decisions"
        ),
        sa.PrimaryKeyConstraint("decision_id", "position", name="pk_listing_images"),
    )
    op.create_table(
        "decision_events",
        sa.Column("cursor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name="fk_decision_events_decision_id_decisions"
        ),
        sa.PrimaryKeyConstraint("cursor", name="pk_decision_events"),
    )


def _create_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("assignee", sa.Text(), nullable=False),
        sa.Column("lease_expire_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=False),
        sa.Column("resolve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_cases_decision_id_decisions"),
        sa.PrimaryKeyConstraint("case_id", name="pk_cases"),
        sa.UniqueConstraint("decision_id", name="uq_cases_decision_id"),
    )
    op.create_index("ix_cases_state_priority_case_id", "cases", ["state", "priority", "case_id"])


def _create_removals() -> None:
    op.create_table(
        "removed_listings",
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("remove_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name="fk_removed_listings_decision_id_decisions"
        ),
        sa.PrimaryKeyConstraint("listing_id", name="pk_removed_listings"),
    )
    op.create_table(
        "removed_images",
        sa.Column("listing_id", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("pdq", sa.LargeBinary(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["listing_id"],
            ["removed_listings.listing_id"],
            name="fk_removed_images_listing_id_removed_listings",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("listing_id", "sha256", name="pk_removed_images"),
    )
