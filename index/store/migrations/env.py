"""What Alembic runs: the migrations, on the connection that `index.store.migrate` lends it.

A developer who adds a migration runs `alembic -c index/store/migrations/alembic.ini revision --autogenerate -m TITLE`
and `... upgrade head` first; both work on the scratch database that the ini file names.
"""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from index.store.engine import Database
from index.store.tables import metadata
from index.store.tables.base import UtcDateTime


def _render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    # A migration outlives the types of ours, so it names only those of SQLAlchemy.
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def _run(connection: Connection) -> None:
    # Batch mode: SQLite cannot alter a column, so Alembic copies the table. Its DDL is transactional once the driver
    # leaves BEGIN to us, which Alembic does not assume.
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=_render,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


lent = context.config.attributes.get("connection")
if lent is not None:
    _run(lent)
else:
    database = Database(str(context.config.get_main_option("sqlalchemy.url")))
    with database.write("migrate the schema") as own:
        _run(own)
    database.close()
