"""How are the attributes that ship made? `python -m training.fit_attributes`, after `training.fit_category`.

Patterns and materials are probes on photos of clothing/train (CC0), by what the committed table says that they show;
photos of grocery/train (MIT) show none of them. There are no photos of buckles among these: that concept is taken from
the ImageNet classifier that `training.fit_category` carried over to the model's trunk. No other data is read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from training.attribute_tables import load_photo_labels, photo_key
from training.category_rows import as_photos, embed_rows, read_labelled
from training.imagenet import load_imagenet
from training.progress import Progress, progress_bar
from vision.attributes import FILE, NOTHING, AttributeClassifier, Trait
from vision.category_head import CategoryHead
from vision.checkpoint import MODELS
from vision.clip import load_embedder
from vision.concepts import ConceptKind, Concepts
from vision.embedder import Embedder
from vision.networks import DEFAULT_MODEL
from vision.taxonomy import CategoryPath

# From which probability on a value is said: so that at least 8 of 10 are right where titles tell (see
# `training.evaluate_attributes`). Fitted on users' photos, stripes are taken for checks in shop photos below theirs.
LEAST: Mapping[str, Mapping[str, float]] = {
    "pattern": {"checked": 0.5, "printed": 0.6, "striped": 0.8},
    "material": {"denim": 0.7, "leather": 0.75},
    "hardware": {"buckle": 0.6},
}
# Patterns are those of cloth: of watches' dials and packages, three in ten would be called printed.
WITHIN: Mapping[str, tuple[CategoryPath, ...]] = {"pattern": (("fashion", "clothing"),)}

# What a buckle could be mistaken for: other goods of ImageNet. All thousand classes would take 2.5 MB.
_BUCKLE = "buckle"
_NOT_BUCKLES = (
    "wallet", "purse", "sandal", "running shoe", "Loafer", "clog", "sunglasses", "analog clock", "digital watch",
    "necklace", "jersey", "jean", "backpack", "mailbag", "sock", "Windsor tie", "hair slide", "padlock", "chain",
    "holster", "packet", "pencil box", "cowboy boot",
)  # fmt: skip

_EVERY = 3  # of the photos of groceries: as many as of the commonest value

Vectors = NDArray[np.float32]


def fit_attributes(data: Path, embedder: Embedder, folder: Path, *, progress: Progress) -> dict[str, int]:
    """Fit the traits on the data sets in the folder `data`, for the model in `folder`, and write them there.

    Returns the number of examples of each value.

    Raises:
        CatalogueError: a manifest or image cannot be read.
        CheckpointError: the model has no category head.
        ModelError: the category head is another model's.

    """
    general = CategoryHead.load(folder, fingerprint=embedder.fingerprint).general
    table = load_photo_labels()
    looked_at = {photo for labels in table.values() for photo in labels}
    clothes = [
        row for row in read_labelled(data / "clothing" / "train.jsonl") if photo_key(row.listing_id) in looked_at
    ]
    groceries = read_labelled(data / "grocery" / "train.jsonl")[::_EVERY]
    vectors = embed_rows([*clothes, *groceries], embedder, progress, seen=as_photos)
    traits: list[Trait] = []
    examples: dict[str, int] = {}
    for name, labels in table.items():
        said = [labels.get(photo_key(row.listing_id)) for row in clothes] + [NOTHING] * len(groceries)
        known = np.array([value is not None for value in said])
        values = [value for value in said if value is not None]
        traits.append(_trait(name, Concepts.from_probe(vectors[known], values, fingerprint=embedder.fingerprint)))
        examples |= {f"{name} {value}": values.count(value) for value in sorted(set(values))}
    if general is not None:
        traits.append(_trait("hardware", buckle(general.weights, general.bias, fingerprint=embedder.fingerprint)))
    AttributeClassifier(traits).save(folder / FILE)
    return examples


def buckle(weights: Vectors, bias: Vectors, *, fingerprint: str) -> Concepts:
    """Take the buckle, and what it could be mistaken for, out of ImageNet's classes for plain photo vectors.

    `weights` is float32 [1000, dim], `bias` float32 [1000].
    """
    names = load_imagenet().names
    rows = [names.index(name) for name in (_BUCKLE, *_NOT_BUCKLES)]
    return Concepts(
        labels=(_BUCKLE, *_NOT_BUCKLES),
        fingerprint=fingerprint,
        kind=ConceptKind.PROBE,
        weights=weights[rows],
        bias=bias[rows],
        temperature=1.0,
    )


def _trait(name: str, concepts: Concepts) -> Trait:
    return Trait(name=name, concepts=concepts, least=LEAST[name], within=WITHIN.get(name, ()))


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the data sets.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The model that the attributes are for.")
def main(data: Path | None, model: str) -> None:
    """Fit the attributes that ship and write them beside the model's weights."""
    source = data or Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    with progress_bar("embedding") as progress:
        examples = fit_attributes(source, load_embedder(model), MODELS / model, progress=progress)
    for name, count in examples.items():
        click.echo(f"{name}: {count} examples")


if __name__ == "__main__":
    main()
