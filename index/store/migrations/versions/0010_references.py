"""References with banks, states with reasons, times and scope.

Revision 0010. What is on record counts as created when it is migrated, for nobody wrote down when it was. Marks of the
seed catalogue are known by their source; any other source was the name of a file.
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Never in batch mode: on SQLite that copies the table and drops the old one, which takes every embedding along.
_TABLE = "brand_references"
_INDEX = "ix_brand_references_brand_id_create_time_reference_id"
_WORDS = ("source_id", "uploaded_by", "file_name", "note", "bank_id", "state_reason")
_NUMBERS = ("width", "height", "revision")
_SCOPE = (
    ("false_matches_per_million", sa.Float()),
    ("background_images", sa.BigInteger()),
    ("collisions", sa.Integer()),
)
_TIMES = ("create_time", "update_time")
_OLD_WORDS = ("source", "submitter", "notice")

_rows = sa.table(
    _TABLE,
    *(sa.column(name) for name in (*_WORDS, *_OLD_WORDS, "origin", "state")),
    *(sa.column(name, sa.DateTime(timezone=True)) for name in _TIMES),
)


def upgrade() -> None:
    """Widen the table, and say of what is there how it came in."""
    for name in _WORDS:
        op.add_column(_TABLE, sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column(_TABLE, sa.Column("origin", sa.String(32), nullable=False, server_default="unknown"))
    op.add_column(_TABLE, sa.Column("image_format", sa.String(16), nullable=False, server_default=""))
    for name in _NUMBERS:
        op.add_column(_TABLE, sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    for name, kind in _SCOPE:
        op.add_column(_TABLE, sa.Column(name, kind, nullable=True))
    for name in _TIMES:
        zero = sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default="1970-01-01 00:00:00")
        op.add_column(_TABLE, zero)
    now = datetime.now(UTC)
    named = {"uploaded_by": _rows.c.submitter, "file_name": _rows.c.source, "note": _rows.c.notice}
    op.execute(_rows.update().values(create_time=now, update_time=now, **named))
    seeded = _rows.c.source.like("seed catalogue%")
    op.execute(_rows.update().where(seeded).values(origin="seed", source_id=_rows.c.source, file_name=""))
    for name in _OLD_WORDS:
        op.drop_column(_TABLE, name)
    op.create_index(op.f(_INDEX), _TABLE, ["brand_id", "create_time", "reference_id"])


def downgrade() -> None:
    """Narrow it again. The older schema knows no rejected references: they are retired, which is as final."""
    op.drop_index(op.f(_INDEX), _TABLE)
    for name in _OLD_WORDS:
        op.add_column(_TABLE, sa.Column(name, sa.Text(), nullable=False, server_default=""))
    source = sa.case((_rows.c.origin == "seed", _rows.c.source_id), else_=_rows.c.file_name)
    op.execute(_rows.update().values(source=source, submitter=_rows.c.uploaded_by, notice=_rows.c.note))
    op.execute(_rows.update().where(_rows.c.state == "rejected").values(state="retired"))
    for name in (*_WORDS, "origin", "image_format", *_NUMBERS, *(name for name, _ in _SCOPE), *_TIMES):
        op.drop_column(_TABLE, name)
