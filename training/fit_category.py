"""How is the category head that ships made? `python -m training.fit_category`, whenever the model changes.

Embeds the train splits of `clothing` (CC0) and `grocery` (MIT) as the pipeline does, turns their labels into leaves by
the committed table, fits the probe and what is familiar to it, and writes the head beside the model's weights. No other
data is read: the head ships. Where a label means several leaves ("shoes"), `training/data/clothing_leaves.yaml` says
which of them a photo shows; photos that do not stand there teach only what is familiar. For leaves that the data do
not show, the ImageNet classifier of the trunk's package is carried over to the trunk as it is, and
`training/data/imagenet_to_leaf.yaml` says what its classes mean. Clothes are seen twice, as the seller took them and
cut out as a catalogue shows them (`training.catalogue_look`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from training.attribute_tables import PHOTO_LEAVES, load_photo_labels, photo_key
from training.catalogue_look import as_in_catalogue
from training.category_rows import LabelledRow, as_products, embed_rows, read_labelled, read_pixels
from training.convert_touchstone_s import DIM
from training.familiarity import Vectors, assess_familiarity, fit_familiarity
from training.imagenet import FEATURE_LENGTH, embed_as_packaged, load_imagenet, load_look_alikes, load_meanings, rows_in
from training.label_table import load_label_table
from training.probe import Looks, fit_probe
from training.progress import Progress, progress_bar
from vision.category_general import GeneralKnowledge
from vision.category_head import CategoryHead, first_part
from vision.checkpoint import MODELS
from vision.clip import load_embedder
from vision.embedder import Embedder
from vision.networks import DEFAULT_MODEL
from vision.taxonomy import Taxonomy, load_taxonomy

_BATCH = 32  # catalogue looks that pass the network together
# Of this data set products can be cut out; the other's photos show shelves and hands full of fruit.
_AT_HOME = "clothing"
_DATA = {
    "clothing": "Clothing dataset (small), Alexey Grigorev, train split, CC0-1.0",
    "grocery": "Grocery Store Dataset, Marcus Klasson and others, train split, MIT",
}


def fit_category(data: Path, embedder: Embedder, out: Path, *, progress: Progress) -> dict[str, object]:
    """Fit the head on the data sets in the folder `data` and write it into `out`; returns the figures it notes.

    Raises:
        CatalogueError: a manifest or image cannot be read.
        TaxonomyError: a label has no leaf in the committed table.

    """
    taxonomy = load_taxonomy()
    table = load_label_table(taxonomy)
    used: list[LabelledRow] = []
    seen = load_photo_labels(PHOTO_LEAVES)["leaf"]
    vectors, labels, shown, at_home = [], [], [], []
    for name in _DATA:
        rows = read_labelled(data / name / "train.jsonl")
        leaves = table.covering({row.label for row in rows})
        known = [row for row in rows if leaves[row.label]]
        vectors.append(embed_rows(known, embedder, progress))
        used += known
        at_home += [name == _AT_HOME] * len(known)
        named = {label: tuple(" > ".join(leaf) for leaf in several) for label, several in leaves.items()}
        labels += [named[row.label][0] for row in known]
        shown += [seen.get(photo_key(row.listing_id)) or _only(named[row.label]) for row in known]
    examples = np.concatenate(vectors)
    photos = first_part(examples, embedder.dim)
    certain = [place for place, leaf in enumerate(shown) if leaf]
    leaves_shown = [shown[place] for place in certain]
    looks = _catalogue_looks([used[place] if at_home[place] else None for place in certain], embedder, progress)
    general = _general_knowledge(used, photos, embedder, taxonomy, progress) if embedder.dim == DIM else None
    head = CategoryHead(
        probe=fit_probe(examples[certain], leaves_shown, fingerprint=embedder.fingerprint, looks=looks),
        familiarity=fit_familiarity(photos, labels),
        general=general,
        temperature=1.0 if general is None else _temperature(general, photos[certain], leaves_shown),
        look_alikes={} if general is None else load_look_alikes(taxonomy, load_imagenet().names),
    )
    figures = {
        "examples": len(certain),
        "catalogue_looks": len(looks.sources),
        "leaves": len(head.probe.labels),
        **asdict(assess_familiarity(photos, labels)),
    }
    notes = {"data": list(_DATA.values()), "licence": "Apache-2.0; the data is CC0-1.0 and MIT", "figures": figures}
    head.save(out, notes=notes)
    return figures


def _only(leaves: Sequence[str]) -> str:
    """Give the one leaf that a label means; "" when it means several."""
    return leaves[0] if len(leaves) == 1 else ""


def _catalogue_looks(rows: Sequence[LabelledRow | None], embedder: Embedder, progress: Progress) -> Looks:
    """See the products that can be cut out of their photos as a catalogue would show them; None has no such look."""
    vectors, sources = [np.zeros((0, as_products(embedder, ()).shape[1]), np.float32)], []
    for start in range(0, len(rows), _BATCH):
        pictures = []
        for place, row in enumerate(rows[start : start + _BATCH], start):
            pixels = read_pixels(row.images[0]) if row is not None else None
            picture = as_in_catalogue(pixels) if pixels is not None else None
            if picture is not None:
                pictures.append(picture)
                sources.append(place)
        if pictures:
            vectors.append(as_products(embedder, pictures))
        progress(min(start + _BATCH, len(rows)), len(rows))
    return Looks(np.concatenate(vectors), np.array(sources, np.int64))


def _temperature(general: GeneralKnowledge, photos: Vectors, leaves: Sequence[str]) -> float:
    """Find how sure to be of general knowledge: the least log loss on photos of leaves that it knows, leaf by leaf."""
    truths = np.array(leaves)
    known = [leaf for leaf in np.unique(truths) if leaf in general.leaves]

    def loss(temperature: float) -> float:
        names, scores = general.tuned(temperature=temperature, look_alikes={}).scores(photos)
        true = [scores[truths == leaf, names.index(leaf)] for leaf in known]
        return float(np.mean([-np.log(np.maximum(each, 1e-6)).mean() for each in true]))

    return float(min(np.linspace(0.5, 2, 31), key=loss))


def _general_knowledge(
    rows: Sequence[LabelledRow], pooled: Vectors, embedder: Embedder, taxonomy: Taxonomy, progress: Progress
) -> GeneralKnowledge:
    imagenet = load_imagenet()
    squared = np.sign(pooled) * pooled**2  # undoes the root of `signed_root`
    photos: Vectors = squared / np.linalg.norm(squared, axis=1, keepdims=True)
    packaged = embed_as_packaged(rows, photos, fingerprint=embedder.fingerprint, progress=progress)
    return GeneralKnowledge(
        weights=FEATURE_LENGTH * rows_in(imagenet.weights, old=packaged, new=photos),
        bias=imagenet.bias,
        meanings=load_meanings(taxonomy, imagenet.names),
    )


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the data sets.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The model that the head is for.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the head; the model's own.")
def main(data: Path | None, model: str, out: Path | None) -> None:
    """Fit the shipped category head and write it beside the model's weights."""
    folder = data or Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    with progress_bar("embedding") as progress:
        figures = fit_category(folder, load_embedder(model), out or MODELS / model, progress=progress)
    for name, value in figures.items():
        click.echo(f"{name}: {value}")


if __name__ == "__main__":
    main()
