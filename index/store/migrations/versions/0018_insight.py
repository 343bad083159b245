"""What leads look at: answers of each person, figures of decisions that can be counted, links within rings.

Revision 0018. Of decisions on record the figures stay unknown, for the payload is opaque here. Answers are taken from
the resolutions: when each was claimed was not written down, and of two people both count when the second one decided.
Who overruled a first review is told by that one's undoing, at the same moment in the same case.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_INDEXES = (
    ("decisions", ("seller_id", "number")),
    ("cases", ("origin", "create_time")),
    ("resolutions", ("resolve_time",)),
    ("resolutions", ("undo_time",)),
    ("reports", ("create_time",)),
    ("appeals", ("create_time",)),
    ("appeals", ("decide_time",)),
    ("verdicts", ("create_time",)),
    ("verdicts", ("brand", "create_time")),
)
_COLUMNS = (
    ("decisions", "probability", sa.Float()),
    ("decisions", "price_ratio", sa.Float()),
    ("cases", "claim_time", _TIME),
    ("cases", "audit_share", sa.Float()),
)

_FIGURES = ["create_time", "verdict", "brand", "market", "probability", "price_ratio"]
_RESOLUTION = ("reviewer", "case_id", "resolution_id", "verdict")
_FURTHER = ("kind", "judges", "answer_time")
_resolutions = sa.table(
    "resolutions",
    *(sa.column(name) for name in (*_RESOLUTION, "number", "second_reviewer", "appeal_id", "resolve_time")),
    *(sa.column(name) for name in ("undo_time", "undo_reason")),
)
_reviews = sa.table("reviews", *(sa.column(name) for name in (*_RESOLUTION, *_FURTHER)))


def upgrade() -> None:
    """Make tables, columns and indexes, and write down who answered what."""
    for table, name, kind in _COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    for table, columns in _INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))
    op.drop_index(op.f("ix_decisions_create_time"), "decisions")
    op.create_index("ix_decisions_figures", "decisions", _FIGURES)
    _make_reviews()
    _fill_reviews()
    op.create_table(
        "seller_ring_links",
        sa.Column("first_seller_id", sa.Text(), nullable=False),
        sa.Column("second_seller_id", sa.Text(), nullable=False),
        sa.Column("ring_id", sa.Text(), nullable=False),
        sa.Column("photos", sa.Integer(), nullable=False),
        sa.Column("titles", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("first_seller_id", "second_seller_id", name=op.f("pk_seller_ring_links")),
        sa.ForeignKeyConstraint(
            ["ring_id"],
            ["seller_rings.ring_id"],
            name=op.f("fk_seller_ring_links_ring_id_seller_rings"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_seller_ring_links_ring_id"), "seller_ring_links", ["ring_id"])


def downgrade() -> None:
    """Drop it all."""
    op.drop_table("seller_ring_links")
    op.drop_table("reviews")
    op.drop_index("ix_decisions_figures", "decisions")
    op.create_index(op.f("ix_decisions_create_time"), "decisions", ["create_time"])
    for table, columns in _INDEXES:
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    for table, name, _ in _COLUMNS:
        op.drop_column(table, name)


def _make_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("resolution_id", sa.Text(), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("judges", sa.Text(), nullable=False),
        sa.Column("claim_time", _TIME, nullable=True),
        sa.Column("answer_time", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_reviews")),
    )
    for columns in (["reviewer", "answer_time"], ["answer_time", "reviewer"], ["resolution_id"], ["judges"]):
        op.create_index(op.f(f"ix_reviews_{'_'.join(columns)}"), "reviews", columns)


def _fill_reviews() -> None:
    """First everybody who decided, then the second people, who look at the first one's answer again."""
    old = _resolutions.c
    overruled = _overruled()
    kind = sa.case((old.appeal_id != "", "appeal"), (overruled.is_not(None), "second_review"), else_="decision")
    judges = sa.case((old.appeal_id != "", ""), else_=sa.func.coalesce(overruled, ""))
    first = sa.select(*(old[name] for name in _RESOLUTION), kind, judges, old.resolve_time)
    op.execute(_reviews.insert().from_select([*_RESOLUTION, *_FURTHER], first.order_by(old.number)))
    after = (sa.literal("second_review"), old.resolution_id, old.resolve_time)
    second = sa.select(old.second_reviewer, *(old[name] for name in _RESOLUTION[1:]), *after)
    second = second.where(old.second_reviewer != "").order_by(old.number)
    op.execute(_reviews.insert().from_select([*_RESOLUTION, *_FURTHER], second))


def _overruled() -> sa.ScalarSelect[str]:
    """Find the first review that a resolution overruled, null for any other."""
    earlier = _resolutions.alias("earlier")
    return (
        sa.select(sa.func.max(earlier.c.resolution_id))
        .where(earlier.c.case_id == _resolutions.c.case_id, earlier.c.undo_time == _resolutions.c.resolve_time)
        .where(earlier.c.undo_reason == "overruled by the second review", earlier.c.number < _resolutions.c.number)
        .scalar_subquery()
    )
