"""What earlier releases wrote down wrongly: overrulings as plain decisions, and pictures of reports without a seller.

Revision 0020. A store that came through revision 0018 before that was mended has overrulings by second reviews as
decisions about nothing. Pictures of a report about a listing that was not screened yet did not learn whose it is.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_OVERRULED = "overruled by the second review"

_reviews = sa.table("reviews", *map(sa.column, ("kind", "case_id", "resolution_id", "judges")))
_resolutions = sa.table(
    "resolutions",
    *map(sa.column, ("number", "case_id", "resolution_id", "appeal_id", "resolve_time", "undo_time", "undo_reason")),
)
_photos = sa.table("kept_photos", sa.column("listing_id"), sa.column("seller_id"))
_decisions = sa.table("decisions", *map(sa.column, ("number", "listing_id", "seller_id")))


def upgrade() -> None:
    """Write them down rightly."""
    own, first = _resolutions.alias("own"), _resolutions.alias("first")
    judged = (
        sa.select(sa.func.max(first.c.resolution_id))
        .select_from(own.join(first, first.c.case_id == own.c.case_id))
        .where(own.c.resolution_id == _reviews.c.resolution_id, own.c.appeal_id == "")
        .where(first.c.undo_reason == _OVERRULED, first.c.undo_time == own.c.resolve_time)
        .where(first.c.number < own.c.number)
        .scalar_subquery()
    )
    wrong = (_reviews.c.kind == "decision", judged.is_not(None))
    op.execute(sa.update(_reviews).where(*wrong).values(kind="second_review", judges=judged))
    known = sa.select(_decisions.c.seller_id).where(
        _decisions.c.listing_id == _photos.c.listing_id, _decisions.c.seller_id != ""
    )
    newest = known.order_by(_decisions.c.number.desc()).limit(1).scalar_subquery()
    op.execute(sa.update(_photos).where(_photos.c.seller_id == "", known.exists()).values(seller_id=newest))


def downgrade() -> None:
    """Leave it: what is right now was to be so before."""
