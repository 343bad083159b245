"""`touchstone brands`: seed the registry, import references, list what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.manifest import read_references
from index.store.store import Store
from reference_brands.seed import seed_marks
from serving.app import load_embedder, open_blobs, open_store
from serving.batching import BatchingEmbedder
from serving.cli.background import background
from serving.cli.brand_registry import COMMANDS as OF_BRANDS
from serving.cli.common import Faults, print_json, progress, settings_of, wants_json
from serving.cli.finding import find, sweep
from serving.cli.preview import preview
from serving.cli.references import COMMANDS as OF_REFERENCES
from serving.new_reference import NewReference
from serving.reference_sources import manifest_references, seed_references
from serving.registry import add_references


@click.group()
def brands() -> None:
    """Keep the registry of brands and their references."""


for _command in (*OF_BRANDS, *OF_REFERENCES, preview, background, find, sweep):
    brands.add_command(_command)


@brands.command()
@click.option("--only", default="", metavar="a,b", help="Ids of curated brands, by commas.")
@click.option("--all", "everything", is_flag=True, help="Also every other mark of the package, each as a brand.")
@click.pass_context
def seed(context: click.Context, /, only: str, everything: bool) -> None:
    """Load the seed catalogue: marks of the consumer brands that counterfeiters copy."""
    wanted = [name.strip() for name in only.split(",") if name.strip()] or None
    marks = progress(seed_marks(wanted, everything=everything), what="seeding")
    blobs = open_blobs(settings_of(context))
    _add(context, lambda _: seed_references(marks, blobs=blobs), Faults())


@brands.command("import")
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def import_references(context: click.Context, /, manifest: Path) -> None:
    """Import the references that MANIFEST (JSON Lines) lists. Rows that fail are named; the others are imported."""
    faults = Faults()
    rows = list(progress(read_references(manifest, on_error=faults.add), what="reading"))
    blobs = open_blobs(settings_of(context))
    _add(
        context,
        lambda store: manifest_references(progress(rows, what="importing"), store, on_error=faults.add, blobs=blobs),
        faults,
    )


@brands.command("list")
@click.pass_context
def list_brands(context: click.Context, /) -> None:
    """List the brands with the number of their active references."""
    with open_store(settings_of(context)) as store:
        rows = [(brand, store.count_references(brand_id=brand.brand_id)) for brand in store.iter_brands()]
    if wants_json(context):
        print_json([{"brand_id": b.brand_id, "name": b.name, "aliases": b.aliases, "references": n} for b, n in rows])
        return
    table = Table("id", "name", "references")
    for brand, count in rows:
        table.add_row(brand.brand_id, escape(brand.name), str(count))
    Console().print(table)


def _add(context: click.Context, references: Callable[[Store], Iterable[NewReference]], faults: Faults) -> None:
    settings = settings_of(context)
    with open_store(settings) as store, BatchingEmbedder(load_embedder(settings)) as embedder:
        added = add_references(store, embedder, references(store))
        counts = store.counts()
    if wants_json(context):
        print_json({"added": added, "brands": counts.brands, "references": counts.references, "faults": faults.count})
    else:
        click.echo(f"{added} references added; the registry holds {counts.references} of {counts.brands} brands")
    faults.exit_if_any(context)
