"""Is every act entered in the audit log? A watch on a store's transactions: each act in them has an entry."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, CursorResult, Delete, Engine, Insert, Update, event

from index.store.store import Store

# What the log is about. Not in it: rows that follow from others (cases, events, tallies), answers to checks; nor photos
# and prices, of which only what is erased is entered.
_AUDITED = """
    decisions resolutions appeals reports removed_listings policies policy_events certificates certificate_changes
    brand_tiers brands brand_names brand_keywords brand_rights marks brand_references registry_events price_bands
    authorised_sellers sellers seller_identities buyer_advice brand_applications brand_grants api_keys legal_holds
    evidence_packages legal_steps gold_cases
"""
AUDITED = frozenset(_AUDITED.split())
# Of these a change alone is no act: a report joins a case that is opened, a brand's revision is counted up.
_WHEN_NEW = frozenset({"reports", "brands"})
_LOG = "audit_entries"


@contextmanager
def acts_watched(store: Store | None = None) -> Iterator[list[str]]:
    """Give a list that fills with the tables of each transaction that changed some of them without an entry.

    Of all stores in this process where none is given; a transaction that is under way when the watch begins is let be.
    """
    engine: Engine | type[Engine] = Engine if store is None else store._database.engine
    unentered: list[str] = []
    changed: dict[int, set[str]] = {}

    def begun(connection: Connection) -> None:
        changed[id(connection.connection.dbapi_connection)] = set()

    def executed(
        connection: Connection,
        statement: Any,
        _multi: object,
        _params: object,
        _options: object,
        result: CursorResult[Any],
    ) -> None:
        if not isinstance(statement, Insert | Update | Delete) or result.rowcount == 0:
            return
        table = str(getattr(statement.table, "name", ""))
        tables = changed.get(id(connection.connection.dbapi_connection))
        if tables is not None and (isinstance(statement, Insert) or table not in _WHEN_NEW):
            tables.add(table)

    def committed(connection: Connection) -> None:
        tables = changed.pop(id(connection.connection.dbapi_connection), set())
        if tables & AUDITED and _LOG not in tables:
            unentered.append(", ".join(sorted(tables & AUDITED)))

    for name, listener in (("begin", begun), ("after_execute", executed), ("commit", committed)):
        event.listen(engine, name, listener)
    try:
        yield unentered
    finally:
        for name, listener in (("begin", begun), ("after_execute", executed), ("commit", committed)):
            event.remove(engine, name, listener)
