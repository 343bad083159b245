"""How was the background that ships made? `python -m training.fit_background`, after the networks are trained.

600 photos of clothing/train (CC0) and 400 of grocery/train (MIT), drawn by lot: what people put up for sale, most of it
without a registered mark in sight. Only their embeddings are written, and those of the shapes of `serving.shapes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from index.manifest import ListingRow, read_listings
from serving.app import load_embedder, load_finder
from serving.background_making import make_background, photos_of
from serving.batching import BatchingEmbedder
from serving.cli.common import progress
from serving.settings import Settings
from vision.background import FILE
from vision.checkpoint import model_folder
from vision.networks import DEFAULT_MODEL

SHARES = {"clothing": 600, "grocery": 400}
SOURCE = "600 photos of clothing/train (CC0-1.0) and 400 of grocery/train (MIT)"
_SEED = 0


def drawn_by_lot(data: Path) -> Iterator[ListingRow]:
    """Draw the listings, set by set. Raises CatalogueError."""
    for name, count in SHARES.items():
        rows = list(read_listings(data / name / "train.jsonl"))
        for place in np.random.default_rng(_SEED).permutation(len(rows))[:count]:
            yield rows[place]


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the data sets.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The model that it is for.")
def main(data: Path | None, model: str) -> None:
    """Make the background that ships and write it beside the model's weights."""
    settings = Settings(model=model)
    source = data or Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    with BatchingEmbedder(load_embedder(settings), load_finder(settings)) as embedder:
        photos = photos_of(progress(drawn_by_lot(source), what="embedding", total=sum(SHARES.values())))
        background = make_background(photos, embedder, source=SOURCE)
    path = model_folder(background.fingerprint) / FILE
    background.save(path)
    click.echo(f"{path}: {len(background)} photos, {len(background.regions)} regions, {len(background.names)} shapes")


if __name__ == "__main__":
    main()
