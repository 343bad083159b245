"""A mark in the change log, by which an index knows whose history it was read from.

Revision 0013. Of the changes that were there before, only the last one gets a mark: no index is of an earlier state
from then on, but those that were read before, which are made anew.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_log = sa.table("change_log", sa.column("version"), sa.column("mark"))


def upgrade() -> None:
    """Add the column, and mark the present state."""
    op.add_column("change_log", sa.Column("mark", sa.String(16), nullable=False, server_default=""))
    newest = sa.select(sa.func.max(_log.c.version)).scalar_subquery()
    op.execute(_log.update().where(_log.c.version == newest).values(mark=secrets.token_hex(8)))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("change_log", "mark")
