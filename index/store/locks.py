"""What may only one transaction do at a time? Locks that a transaction takes first and that end with it.

On PostgreSQL two writers run side by side, and each sees what was committed before its present statement: one that
reads, thinks and then writes takes one of these locks before it reads, or its change may rest on what is no longer so.
They are advisory locks: nothing else waits for them. SQLite has one writer, so there is nothing to do.

So that no two transactions wait for each other, they are taken in this order: an idempotency key, then one of these,
then rows of cases, then counters.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Connection, Text, bindparam, func, select, text

# Any numbers that no other user of the database locks; each kind of name has its own.
_SCHEMA = 0x70756368
_LISTINGS = 0x6C697374
_SELLERS = 0x73656C6C
_WHOLES = 0x77686F6C
_HASH = func.hashtextextended(bindparam("name", type_=Text()), bindparam("kind", type_=BigInteger()))
_LOCK = select(func.pg_advisory_xact_lock(_HASH))


def lock_schema(connection: Connection) -> None:
    """Keep other processes from migrating until this transaction ends, which may take as long as it takes."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "lock_timeout"):
            connection.execute(text(f"SET LOCAL {limit} = 0"))
        connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA)))


def lock_listing(connection: Connection, listing_id: str) -> None:
    """Keep others from deciding, reporting or removing a listing until this transaction ends."""
    _lock(connection, listing_id, _LISTINGS)


def lock_seller(connection: Connection, seller_id: str) -> None:
    """Keep others from changing who a seller is until this transaction ends."""
    _lock(connection, seller_id, _SELLERS)


def lock_registry(connection: Connection) -> None:
    """Keep others from changing brands, marks and references until this transaction ends.

    One lock for the whole registry: its changes are few, every one of them waits for the change log's counter anyway,
    and an import touches thousands of brands at once.
    """
    _lock(connection, "registry", _WHOLES)


def lock_certificates(connection: Connection) -> None:
    """Keep others from issuing certificates or changing their state until this transaction ends."""
    _lock(connection, "certificates", _WHOLES)


def lock_scans(connection: Connection) -> None:
    """Keep others from starting, taking or ending bulk scans until this transaction ends."""
    _lock(connection, "scans", _WHOLES)


def lock_audit(connection: Connection) -> None:
    """Keep others from lengthening the audit log's chain until this transaction ends."""
    _lock(connection, "audit", _WHOLES)


def _lock(connection: Connection, name: str, kind: int) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"name": name, "kind": kind})
