"""How is a store saved while it is in use? As of one moment, into a file of its own, whatever database it is in."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from index.store.engine import Database
from index.store.migrate import ensure_schema
from index.store.transfer import copy_database


def save_database(source: Database, target: Path) -> None:
    """Save a database into an SQLite file that does not exist yet. Neither readers nor writers of it are held up.

    SQLite copies its own pages, in one step and so from one moment; from PostgreSQL each row is read in one
    transaction that sees one moment. Raises StoreError.
    """
    if source.engine.dialect.name == "sqlite":
        with source.read("save the store") as connection, closing(sqlite3.connect(target)) as file:
            # Within a read transaction, which holds the moment; all pages in one step, or each write would begin anew.
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.backup(file, pages=-1)
        return
    copy = Database(target)
    try:
        ensure_schema(copy, migrate=True)
        copy_database(source, copy)
    finally:
        copy.close()
