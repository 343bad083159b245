"""`touchstone prices`: bring price observations into the store."""

from __future__ import annotations

from pathlib import Path

import click

from index.price_history import read_history
from serving.app import open_store
from serving.cli.common import Faults, print_json, progress, settings_of, wants_json


@click.group()
def prices() -> None:
    """Price observations, from which usual prices are learnt."""


@prices.command("import")
@click.argument("history", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_prices(context: click.Context, /, history: Path) -> None:
    """Import the prices that HISTORY (a listing manifest, JSON Lines) holds. Faulty rows are named, others go in."""
    faults = Faults()
    with open_store(settings_of(context)) as store:
        observations = progress(read_history(history, on_error=faults.add), what="importing")
        added = store.add_price_observations(observations)
        total = store.counts().price_observations
    if wants_json(context):
        print_json({"added": added, "price_observations": total, "faults": faults.count})
    else:
        click.echo(f"{added} prices added; {total} are on record")
    faults.exit_if_any(context)
