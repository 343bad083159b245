"""The audit log: entries, heads, and triggers that let nobody change or delete them.

Revision 0023. A store that holds decisions or policies already notes how far they go: those have no entries.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNSEALED, _SEALED = sa.text("position IS NULL"), sa.text("position IS NOT NULL")
_REFUSAL = "the audit log is append-only"

_SQLITE = (
    f"""CREATE TRIGGER audit_entries_kept BEFORE UPDATE ON audit_entries
    WHEN OLD.position IS NOT NULL OR NEW.position IS NULL OR NEW.hash IS NULL
        OR NEW.number IS NOT OLD.number OR NEW.entry IS NOT OLD.entry
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_heads_kept BEFORE UPDATE ON audit_heads
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
    f"""CREATE TRIGGER audit_heads_stay BEFORE DELETE ON audit_heads
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END""",
)

_POSTGRESQL = (
    f"""CREATE FUNCTION audit_refused() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$""",
    """CREATE TRIGGER audit_entries_kept BEFORE UPDATE ON audit_entries FOR EACH ROW
    WHEN (OLD.position IS NOT NULL OR NEW.position IS NULL OR NEW.hash IS NULL
        OR NEW.number IS DISTINCT FROM OLD.number OR NEW.entry IS DISTINCT FROM OLD.entry)
    EXECUTE FUNCTION audit_refused()""",
    """CREATE TRIGGER audit_entries_stay BEFORE DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refused()""",
    """CREATE TRIGGER audit_heads_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refused()""",
)


def upgrade() -> None:
    """Make the tables, and what keeps them as they are."""
    op.create_table(
        "audit_entries",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("hash", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_entries")),
    )
    op.create_index(
        "ix_audit_entries_sealed",
        "audit_entries",
        ["position"],
        unique=True,
        sqlite_where=_SEALED,
        postgresql_where=_SEALED,
    )
    op.create_index(
        "ix_audit_entries_unsealed", "audit_entries", ["number"], sqlite_where=_UNSEALED, postgresql_where=_UNSEALED
    )
    op.create_table(
        "audit_heads",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("time", sa.String(32), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit_heads")),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)
    _note_earlier_decisions()


def downgrade() -> None:
    """Drop it all."""
    op.drop_table("audit_heads")
    op.drop_table("audit_entries")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_refused()")


def _note_earlier_decisions() -> None:
    last = op.get_bind().execute(sa.text("SELECT COALESCE(MAX(number), 0) FROM decisions")).scalar_one()
    if not last and not op.get_bind().execute(sa.text("SELECT COUNT(*) FROM policies")).scalar_one():
        return
    time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    entry = {"act": "log.began", "actor": "", "decisions_before": last, "subject": "", "time": time}
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    op.bulk_insert(sa.table("audit_entries", sa.column("entry", sa.Text())), [{"entry": text}])
