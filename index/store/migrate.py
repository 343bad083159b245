"""Is the database's schema the one that this release works with? If not, it is brought there.

`Store.open` asks first of all. To migrate without starting anything: `python -m index.store.migrate PATH_OR_URL`. All
steps run in one transaction, so that a process that dies half-way leaves the schema as it was.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect

from index.errors import StoreError
from index.store.engine import Database
from index.store.locks import lock_schema

_SCRIPTS = Path(__file__).parent / "migrations"

# Alembic's `op` and `context` are globals of the process, so only one thread may migrate at a time.
_migrating = threading.Lock()


def ensure_schema(database: Database, *, migrate: bool) -> None:
    """Bring the schema to this release's revision, or, without `migrate`, make sure that it is there.

    Raises:
        StoreError: the database belongs to something else, to a newer release, or to an older one without `migrate`.

    """
    with database.read("read the schema's revision") as connection:
        revision = _pending(database, connection)
    if revision is None:
        return
    if not migrate:
        raise StoreError(
            f"{database.name}: its schema is at revision {revision or 'none'}, this release needs {head()}. "
            f"Run 'python -m index.store.migrate {database.name}'."
        )
    upgrade(database)


def revision_behind(path_or_url: str | Path) -> tuple[str, str] | None:
    """Return the revision of a store and that of this release; None when they are one, or nothing is stored yet.

    Raises:
        StoreError: it cannot be read, belongs to something else or to a newer release.

    """
    database = Database(path_or_url)
    try:
        with database.read("read the schema's revision") as connection:
            revision = _pending(database, connection)
    finally:
        database.close()
    return (revision, head()) if revision else None


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to `revision`; steps already taken, by this process or another, are not repeated."""
    with _migrating, _translated(database), database.write("migrate the schema") as connection:
        lock_schema(connection)
        if _pending(database, connection) is not None:
            command.upgrade(_config(connection), revision)


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to `revision`, or to nothing at all with "base". What it cannot hold is lost."""
    with _migrating, _translated(database), database.write("migrate the schema") as connection:
        lock_schema(connection)
        command.downgrade(_config(connection), revision)


@functools.cache
def head() -> str:
    """Return the revision that this release works with; looked up once."""
    found = ScriptDirectory(str(_SCRIPTS)).get_current_head()
    assert found is not None
    return found


def _pending(database: Database, connection: Connection) -> str | None:
    """Return the revision to migrate from ("" for an empty database), or None when there is nothing to do."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head():
        return None
    if current is None:
        tables = inspect(connection).get_table_names()
        if any(table != "alembic_version" for table in tables):
            raise StoreError(
                f"{database.name}: a database of something else (it has the tables {', '.join(tables[:5])}); "
                "name another file, and Touchstone makes its own there."
            )
        return ""
    if current not in {script.revision for script in ScriptDirectory(str(_SCRIPTS)).walk_revisions()}:
        raise StoreError(
            f"{database.name}: its schema is at revision {current}, which a newer release made; this release knows "
            f"revisions up to {head()}. Install that release (pip install --upgrade touchstone) or put back a backup."
        )
    return current


@contextlib.contextmanager
def _translated(database: Database) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        raise StoreError(f"{database.name}: could not migrate the schema: {error}; the newest is {head()}.") from error


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def main(arguments: list[str]) -> int:
    """Migrate the database named by the one argument; the exit status is 0, 1 (failed) or 2 (usage)."""
    if len(arguments) != 1:
        print("usage: python -m index.store.migrate PATH_OR_URL", file=sys.stderr)
        return 2
    try:
        database = Database(arguments[0])
        ensure_schema(database, migrate=True)
        database.close()
    except StoreError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{database.name}: the schema is at revision {head()}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
