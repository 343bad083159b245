"""How is the category head that ships made? `python -m training.fit_category`, whenever the model changes.

Embeds the train splits of `clothing` (CC0) and `grocery` (MIT) as the pipeline does, turns their labels into leaves by
the committed table, fits the probe and what is familiar to it, and writes the head beside the model's weights. No other
data is read: the head ships.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np

from training.category_rows import embed_rows, read_labelled
from training.familiarity import assess_familiarity, fit_familiarity
from training.label_table import load_label_table
from training.probe import fit_probe
from training.progress import Progress
from vision.category_head import CategoryHead
from vision.checkpoint import MODELS
from vision.clip import load_embedder
from vision.embedder import Embedder
from vision.networks import DEFAULT_MODEL
from vision.taxonomy import load_taxonomy

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
    table = load_label_table(load_taxonomy())
    vectors, labels = [], []
    for name in _DATA:
        rows = read_labelled(data / name / "train.jsonl")
        leaves = table.covering({row.label for row in rows})
        known = [row for row in rows if leaves[row.label]]
        vectors.append(embed_rows(known, embedder, progress))
        labels += [" > ".join(leaves[row.label] or ()) for row in known]
    examples = np.concatenate(vectors)
    head = CategoryHead(
        probe=fit_probe(examples, labels, fingerprint=embedder.fingerprint),
        familiarity=fit_familiarity(examples, labels),
    )
    figures = {"examples": len(labels), "leaves": len(head.leaves), **asdict(assess_familiarity(examples, labels))}
    notes = {"data": list(_DATA.values()), "licence": "Apache-2.0; the data is CC0-1.0 and MIT", "figures": figures}
    head.save(out, notes=notes)
    return figures


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the data sets.")
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="The model that the head is for.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder of the head; the model's own.")
def main(data: Path | None, model: str, out: Path | None) -> None:
    """Fit the shipped category head and write it beside the model's weights."""
    folder = data or Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data"))
    with _bar() as progress:
        figures = fit_category(folder, load_embedder(model), out or MODELS / model, progress=progress)
    for name, value in figures.items():
        click.echo(f"{name}: {value}")


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("embedding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


if __name__ == "__main__":
    main()
