"""`touchstone brands background`: an installation's own photos to judge by how broad its references are."""

from __future__ import annotations

from pathlib import Path

import click

from index.breadth import LEAST
from index.errors import CatalogueError
from index.manifest import read_listings
from serving.app import load_embedder, load_finder
from serving.background_making import make_background, photos_of
from serving.batching import BatchingEmbedder
from serving.cli.common import print_json, progress, settings_of, wants_json
from vision.background import FILE


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def background(context: click.Context, /, manifest: Path) -> None:
    """Embed the first photo of each listing of MANIFEST: what the marketplace sells, as little of the brands as can be.

    The file goes into the data folder, where it is preferred to the one that ships. Take 1,000 photos or more, drawn
    by lot; 2.7 kB of each are kept. The service reads it when it starts.
    """
    settings = settings_of(context)
    rows = list(read_listings(manifest))
    with BatchingEmbedder(load_embedder(settings), load_finder(settings)) as embedder:
        made = make_background(photos_of(progress(rows, what="embedding")), embedder, source=manifest.name)
    if len(made) < LEAST:
        raise CatalogueError(f"{manifest}: {len(made)} readable photos are too few; give at least {LEAST}")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / FILE
    made.save(path)
    if wants_json(context):
        print_json({"file": str(path), "photos": len(made), "model": made.fingerprint})
    else:
        click.echo(f"{path}: {len(made)} photos by {made.fingerprint}")
