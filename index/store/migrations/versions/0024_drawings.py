"""Keypoints of drawn marks carry their drawing, which earlier releases cannot read.

Revision 0024. No table changes: what is on record stays as it is, and releases that would call the new format damaged
refuse the store instead.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_POINTS, _WITH_DRAWING = b"\x01", b"\x02"
_DRAWING_BYTES = 48 * 48

_FEATURES = sa.table(
    "reference_features", sa.column("reference_id", sa.String()), sa.column("features", sa.LargeBinary())
)


def upgrade() -> None:
    """Change nothing: references that are added from now on may have a drawing."""


def downgrade() -> None:
    """Cut the drawings off the keypoints that have one."""
    connection = op.get_bind()
    for reference_id in connection.scalars(sa.select(_FEATURES.c.reference_id)).all():
        this = _FEATURES.c.reference_id == reference_id
        features = connection.scalars(sa.select(_FEATURES.c.features).where(this)).one()
        if features[:1] == _WITH_DRAWING:
            points = _POINTS + features[1:-_DRAWING_BYTES]
            connection.execute(sa.update(_FEATURES).where(this).values(features=points))
