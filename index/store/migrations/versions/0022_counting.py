"""What the queue and the figures count without reading rows: an index of leases, and one of what is counted of cases.

Revision 0022. The index of answers that look at others again leaves out those that do not, which are nearly all.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_LEASES = ["state", "lease_expire_time"]
_FIGURES = ["create_time", "verdict", "origin", "brand", "market"]
_JUDGES = sa.text("judges <> ''")


def upgrade() -> None:
    """Make all."""
    op.create_index(op.f("ix_cases_state_lease_expire_time"), "cases", _LEASES)
    op.create_index("ix_cases_figures", "cases", _FIGURES)
    op.drop_index("ix_reviews_judges", "reviews")
    op.create_index("ix_reviews_judges", "reviews", ["judges"], sqlite_where=_JUDGES, postgresql_where=_JUDGES)


def downgrade() -> None:
    """Go back to what was."""
    op.drop_index("ix_reviews_judges", "reviews")
    op.create_index("ix_reviews_judges", "reviews", ["judges"])
    op.drop_index("ix_cases_figures", "cases")
    op.drop_index(op.f("ix_cases_state_lease_expire_time"), "cases")
