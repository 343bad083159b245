"""Who sellers are, and the rings that they form.

Revision 0005. Earlier decisions are counted: until now every takedown was of a copy of a known counterfeit, so it is a
presumed strike.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_LANDMARK = datetime(2020, 1, 1, tzinfo=UTC)
_HALF_LIFE_S = 180 * 86_400
_BATCH = 5_000


def upgrade() -> None:
    """Make the tables."""
    op.add_column("sellers", sa.Column("verification", sa.String(16), nullable=True))
    op.add_column("sellers", sa.Column("certify_time", _TIME, nullable=True))
    op.add_column("sellers", sa.Column("sales", sa.BigInteger(), nullable=True))
    op.add_column("authorised_sellers", sa.Column("valid_from", _TIME, nullable=True))
    op.add_column("authorised_sellers", sa.Column("valid_until", _TIME, nullable=True))
    op.add_column("decisions", sa.Column("presumed_strike", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("decisions", sa.Column("title_signature", sa.LargeBinary(), nullable=True))
    _make_identities()
    _make_tallies()
    _make_priors_and_rings()
    _count()


def _words(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _make_identities() -> None:
    op.create_table(
        "seller_identities",
        sa.Column("seller_id", sa.Text(), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        *_words("legal_name", "address", "phone", "email", "government_id", "bank_account", "bank_account_holder"),
        *_words("tax_id", "trade_register", "trade_register_number", "lei"),
        sa.Column("self_certify_time", _TIME, nullable=True),
        *_words("verification_method", "verification_result"),
        sa.Column("verify_time", _TIME, nullable=True),
        sa.Column("collect_time", _TIME, nullable=False),
        sa.Column("annual_sales", sa.BigInteger(), nullable=True),
        sa.Column("annual_revenue_usd", sa.String(64), nullable=True),
        sa.Column("qualify_time", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("seller_id", name=op.f("pk_seller_identities")),
        sa.ForeignKeyConstraint(
            ["seller_id"],
            ["sellers.seller_id"],
            name=op.f("fk_seller_identities_seller_id_sellers"),
            ondelete="CASCADE",
        ),
    )


def _make_tallies() -> None:
    op.create_table(
        "seller_listings",
        *_words("listing_id", "seller_id", "decision_id"),
        sa.Column("decide_time", _TIME, nullable=False),
        sa.Column("struck", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("listing_id", "seller_id", name=op.f("pk_seller_listings")),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_seller_listings_decision_id_decisions")
        ),
    )
    op.create_table(
        "seller_tallies",
        *_words("seller_id"),
        sa.Column("listings", sa.BigInteger(), nullable=False),
        sa.Column("strikes", sa.BigInteger(), nullable=False),
        sa.Column("listings_weight", sa.Float(53), nullable=False),
        sa.Column("strikes_weight", sa.Float(53), nullable=False),
        sa.Column("first_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("seller_id", name=op.f("pk_seller_tallies")),
    )


def _make_priors_and_rings() -> None:
    op.create_table(
        "seller_priors",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("alpha", sa.Float(53), nullable=False),
        sa.Column("beta", sa.Float(53), nullable=False),
        sa.Column("sellers", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.Float(53), nullable=False),
        sa.Column("exposure", sa.Float(53), nullable=False),
        sa.Column("fit_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_seller_priors")),
    )
    op.create_index(op.f("ix_seller_priors_kind_number"), "seller_priors", ["kind", "number"])
    op.create_table(
        "seller_rings",
        *_words("ring_id"),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("shared_photos", sa.Integer(), nullable=False),
        sa.Column("shared_titles", sa.Integer(), nullable=False),
        sa.Column("find_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("ring_id", name=op.f("pk_seller_rings")),
    )
    op.create_table(
        "seller_ring_members",
        *_words("seller_id", "ring_id"),
        sa.PrimaryKeyConstraint("seller_id", name=op.f("pk_seller_ring_members")),
        sa.ForeignKeyConstraint(
            ["ring_id"],
            ["seller_rings.ring_id"],
            name=op.f("fk_seller_ring_members_ring_id_seller_rings"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_seller_ring_members_ring_id"), "seller_ring_members", ["ring_id"])
    op.execute("INSERT INTO counters (name, value) VALUES ('seller_rings', 0)")


def _count() -> None:
    """Count each listing once, at its last decision: struck when any was a takedown, or when it was removed."""
    op.execute("UPDATE decisions SET presumed_strike = (verdict = 'TAKEDOWN')")
    op.execute("""
        INSERT INTO seller_listings (listing_id, seller_id, decision_id, decide_time, struck)
        SELECT d.listing_id, d.seller_id, d.decision_id, d.create_time,
            EXISTS (
                SELECT 1 FROM decisions e
                WHERE e.listing_id = d.listing_id AND e.seller_id = d.seller_id AND e.verdict = 'TAKEDOWN'
            )
            OR EXISTS (
                SELECT 1 FROM removed_listings r
                WHERE r.listing_id = d.listing_id AND r.reason = 'COUNTERFEIT'
            )
        FROM decisions d
        WHERE d.seller_id <> ''
            AND NOT EXISTS (
                SELECT 1 FROM decisions f
                WHERE f.listing_id = d.listing_id AND f.seller_id = d.seller_id AND f.number > d.number
            )
    """)
    counted = sa.table(
        "seller_listings",
        sa.column("seller_id", sa.Text),
        sa.column("decide_time", _TIME),
        sa.column("struck", sa.Boolean),
    )
    tallies = sa.table(
        "seller_tallies",
        *map(sa.column, ("seller_id", "listings", "strikes")),
        *map(sa.column, ("listings_weight", "strikes_weight")),
        sa.column("first_time", _TIME),
    )
    connection = op.get_bind()
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0])
    first: dict[str, datetime] = {}
    for row in connection.execute(sa.select(counted)):
        time = row.decide_time if row.decide_time.tzinfo else row.decide_time.replace(tzinfo=UTC)
        weight = 2.0 ** ((time - _LANDMARK).total_seconds() / _HALF_LIFE_S)
        added = (1, int(row.struck), weight, weight * row.struck)
        sums[row.seller_id] = [before + more for before, more in zip(sums[row.seller_id], added, strict=True)]
        first[row.seller_id] = min(first.get(row.seller_id, time), time)
    rows = [
        {
            "seller_id": seller,
            "listings": n,
            "strikes": s,
            "listings_weight": nw,
            "strikes_weight": sw,
            "first_time": first[seller],
        }
        for seller, (n, s, nw, sw) in sums.items()
    ]
    for start in range(0, len(rows), _BATCH):
        connection.execute(sa.insert(tallies), rows[start : start + _BATCH])


def downgrade() -> None:
    """Drop them."""
    op.execute("DELETE FROM counters WHERE name = 'seller_rings'")
    for table in ("seller_ring_members", "seller_rings", "seller_priors", "seller_tallies", "seller_listings"):
        op.drop_table(table)
    op.drop_table("seller_identities")
    for table, columns in (
        ("decisions", ("title_signature", "presumed_strike")),
        ("authorised_sellers", ("valid_until", "valid_from")),
        ("sellers", ("sales", "certify_time", "verification")),
    ):
        for column in columns:
            op.drop_column(table, column)
