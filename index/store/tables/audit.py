"""Which tables keep the audit log? Part of `index.store.tables`.

Triggers of migration 0023 refuse every change of what stands in them, but that an entry is sealed once. SQLite drops a
table's triggers with the table: a migration that copies one of these makes them anew.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, text

from index.store.tables.base import metadata, number, sha256, words

_UNSEALED, _SEALED = text("position IS NULL"), text("position IS NOT NULL")

audit_entries = Table(
    "audit_entries",
    metadata,
    number("number"),
    words("entry"),  # index.audit.entries.text_of
    # Its place in the chain and its hash: null until it is sealed.
    Column("position", BigInteger, nullable=True),
    Column("hash", String(64), nullable=True),
    # An entry is in one of the two only: what is written with a decision is one page less.
    Index("ix_audit_entries_sealed", "position", unique=True, sqlite_where=_SEALED, postgresql_where=_SEALED),
    Index("ix_audit_entries_unsealed", "number", sqlite_where=_UNSEALED, postgresql_where=_UNSEALED),
)

audit_heads = Table(
    "audit_heads",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    sha256("hash"),
    Column("time", String(32), nullable=False),  # as it is signed
    words("signature"),
    words("signer"),
)
