"""`touchstone store`: move what Touchstone knows to another database."""

from __future__ import annotations

import click

from index.store.store import Store
from serving.app import open_store
from serving.cli.common import print_json, settings_of, wants_json


@click.group()
def store() -> None:
    """Move what is kept: brands, references, decisions, cases and all else."""


@store.command()
@click.option(
    "--to", "place", required=True, metavar="URL", help="An empty database, such as postgresql+psycopg://HOST/NAME."
)
@click.pass_context
def copy(context: click.Context, /, *, place: str) -> None:
    """Copy the store into an empty database, all or nothing. Stop the service first, and name the copy in `store` then.

    A password need not stand in the URL: PGPASSWORD and ~/.pgpass are read.
    """
    with open_store(settings_of(context)) as source, Store.open(place) as target:
        rows = source.copy_to(target)
        where = target.name
    if wants_json(context):
        print_json({"store": where, "rows": sum(rows.values()), "tables": rows})
    else:
        click.echo(f"{sum(rows.values())} rows in {len(rows)} tables copied to {where}")
