"""How often is a stated attribute right? `python -m training.evaluate_attributes MANIFEST...`, on titled listings.

Titles of listings name patterns and materials; a committed table says which words mean what. The photos are embedded
and classified as the pipeline does it, and what is said of them is compared with the titles. Of listings whose title
does not tell, nothing is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from index.manifest import read_listings
from training.attribute_tables import TitleMeaning, load_title_meanings
from training.category_rows import as_photos, embed_rows, read_labelled
from training.progress import progress_bar
from vision.attributes import AttributeClassifier, Trait
from vision.classify import CategoryClassifier
from vision.clip import load_embedder
from vision.errors import ModelError
from vision.networks import DEFAULT_MODEL
from vision.taxonomy import CategoryPath

WANTED_PRECISION = 0.8


@dataclass(frozen=True, kw_only=True)
class ValueFigures:
    """What became of one value: `said` where titles tell, `right` of those, of `stated` titles that state it.

    `reaches` is the lowest probability from which at least 8 of 10 are right; None when there is none.
    """

    trait: str
    value: str
    least: float
    said: int
    right: int
    stated: int
    reaches: float | None

    @property
    def precision(self) -> float:
        """Share of what is said that is right; 0 when nothing is said."""
        return self.right / self.said if self.said else 0.0

    @property
    def coverage(self) -> float:
        """Share of what titles state that is said; 0 when no title states it."""
        return self.right / self.stated if self.stated else 0.0


@dataclass(frozen=True, kw_only=True)
class Told:
    """A listing as the evaluation needs it: its title, its category as the data set and as the pipeline names it."""

    title: str
    label: str
    path: CategoryPath


def measure(
    trait: Trait, meaning: TitleMeaning, listings: Sequence[Told], photos: NDArray[np.float32]
) -> list[ValueFigures]:
    """Compare what `trait` says of each photo, float32 [n, dim] unit rows, with what the listing's title says."""
    truths = np.array([meaning.value(each.title, each.label) or "" for each in listings])
    open_to = np.array([trait.belongs_to(each.path) for each in listings])
    scores = trait.concepts.scores(photos)
    best = scores.argmax(axis=1)
    figures = []
    for value, least in trait.least.items():
        place = trait.concepts.labels.index(value)
        likely = open_to & (best == place) & (truths != "")
        said = likely & (scores[:, place] >= least)
        figures.append(
            ValueFigures(
                trait=trait.name,
                value=value,
                least=least,
                said=int(said.sum()),
                right=int((said & (truths == value)).sum()),
                stated=int((truths == value).sum()),
                reaches=_lowest(scores[likely, place], truths[likely] == value),
            )
        )
    return figures


def _lowest(probabilities: NDArray[np.float32], right: NDArray[np.bool_]) -> float | None:
    """Find the lowest probability from which the wanted share is right."""
    order = np.argsort(-probabilities, kind="stable")
    good = np.cumsum(right[order]) >= WANTED_PRECISION * np.arange(1, len(order) + 1)
    return float(probabilities[order][np.flatnonzero(good)[-1]]) if good.any() else None


@click.command()
@click.argument("manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The model whose attributes are measured.")
def main(manifests: Sequence[Path], model: str) -> None:
    """Print, for each value that is said, how often it is right and how often it is said."""
    embedder = load_embedder(model)
    attributes = AttributeClassifier.for_model(embedder.fingerprint)
    categories = CategoryClassifier.for_model(embedder.fingerprint)
    if attributes is None or categories is None:
        raise ModelError(f"{model} ships no attributes or no category head; run python -m training.fit_attributes")
    rows = [row for manifest in manifests for row in read_labelled(manifest)]
    titles = {each.listing_id: each.title for manifest in manifests for each in read_listings(manifest)}
    with progress_bar("embedding") as progress:
        photos = embed_rows(rows, embedder, progress, seen=as_photos)
        products = embed_rows(rows, embedder, progress)
    told = [
        Told(title=titles[row.listing_id], label=row.label, path=categories.predict(product[np.newaxis]).path)
        for row, product in zip(rows, products, strict=True)
    ]
    meanings = load_title_meanings()
    for trait in attributes.traits:
        for each in measure(trait, meanings[trait.name], told, photos):
            reaches = "never" if each.reaches is None else f"from {each.reaches:.2f}"
            click.echo(
                f"{each.trait} {each.value}: said from {each.least:.2f}, "
                f"precision {each.precision:.3f} of {each.said}, coverage {each.coverage:.3f} of {each.stated}; "
                f"{WANTED_PRECISION:.0%} right {reaches}"
            )


if __name__ == "__main__":
    main()
