"""Is the product in the right category? `eval categories`, through the embedding and the heads that are served.

Three ways to answer, by what there is:

    train       a head fitted on another labelled manifest; answers are its labels
    taxonomy    the shipped head, nothing fitted; labels become leaves by the committed table, answers are leaf paths;
                of a label that covers several leaves, any is right, and the one answered stands for it in macro_f1
    neither     zero-shot: the names of the labels as text prompts; needs a model with a trained text tower
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.category_rows import LabelledRow, as_photos, embed_rows, read_labelled, spoken
from training.label_table import load_label_table
from training.metrics import macro_f1
from training.predictions import Prediction, write_predictions
from training.probe import fit_probe
from training.progress import Progress, silent
from training.report_categories import JudgedCategory, write_category_report
from vision.classify import CategoryClassifier
from vision.concepts import Concepts
from vision.embedder import Embedder, TextEmbedder
from vision.errors import UnsupportedByModel
from vision.taxonomy import CategoryPath, load_taxonomy

_TOP = 5


class ImageTextEmbedder(Embedder, TextEmbedder, Protocol):
    """What evaluation needs of a model; without a trained text tower its text side raises UnsupportedByModel."""


@dataclass(frozen=True, kw_only=True)
class CategoryReport:
    """The figures of `eval categories`; the names are those that it prints."""

    n: int
    top1: float
    top5: float
    macro_f1: float


@dataclass(frozen=True)
class CategoryAnswer:
    """The best categories of one listing, best first, with the score of the first; no category means unknown."""

    ranked: tuple[str, ...]
    score: float


def evaluate_categories(
    test: Path,
    *,
    embedder: ImageTextEmbedder,
    train: Path | None = None,
    taxonomy: bool = False,
    predictions: Path | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> CategoryReport:
    """Predict the category of every labelled listing in the manifest `test`, by one of the ways above.

    Writes one line per listing to `predictions`, and an HTML page to `report`. Calls `progress(done, total)` as
    listings are embedded, counted for each manifest.

    Raises:
        CatalogueError: a manifest or an image file cannot be read, or nothing in it is labelled.
        TaxonomyError: with `taxonomy`, a label is not in the table.
        UnsupportedByModel: with `taxonomy`, the model has no shipped head; with neither, it has no text tower.
        ValueError: both `train` and `taxonomy` are given.

    """
    if train is not None and taxonomy:
        raise ValueError("give train or taxonomy, not both: a head is either fitted or shipped")
    rows, follow = read_labelled(test), progress or silent
    if train is not None:
        known = read_labelled(train)
        labels = [row.label for row in known]
        head = fit_probe(embed_rows(known, embedder, follow), labels, fingerprint=embedder.fingerprint)
        answers = _rank(head, embed_rows(rows, embedder, follow))
    elif taxonomy:
        rows, leaves = _leaf_rows(rows)
        answers = _shipped(rows, embedder, follow)
        rows = [_settled(*each) for each in zip(rows, leaves, answers, strict=True)]
    else:
        names = {spoken(row.label): row.label for row in rows}
        head = Concepts.from_prompts(embedder, sorted(names))
        answers = [
            _renamed(answer, names) for answer in _rank(head, embed_rows(rows, embedder, follow, seen=as_photos))
        ]
    if predictions is not None:
        write_predictions(
            predictions,
            (
                Prediction(listing_id=row.listing_id, answer=next(iter(answer.ranked), None), score=answer.score)
                for row, answer in zip(rows, answers, strict=True)
            ),
        )
    figures = score(answers, [row.label for row in rows])
    if report is not None:
        judged = [
            JudgedCategory(
                listing_id=row.listing_id,
                images=row.images,
                truth=row.label,
                answer=next(iter(answer.ranked), None),
                score=answer.score,
            )
            for row, answer in zip(rows, answers, strict=True)
        ]
        write_category_report(
            report,
            judged,
            top1=figures.top1,
            top5=figures.top5,
            macro_f1=figures.macro_f1,
            model=embedder.fingerprint,
        )
    return figures


def score(answers: Sequence[CategoryAnswer], truths: Sequence[str]) -> CategoryReport:
    """Score answers against the true categories of the same listings, in the same order."""
    first = [next(iter(answer.ranked), None) for answer in answers]
    pairs = list(zip(answers, truths, strict=True))
    return CategoryReport(
        n=len(pairs),
        top1=sum(answer == truth for answer, truth in zip(first, truths, strict=True)) / len(pairs),
        top5=sum(truth in answer.ranked[:_TOP] for answer, truth in pairs) / len(pairs),
        macro_f1=macro_f1(first, truths),
    )


def _rank(head: Concepts, vectors: NDArray[np.float32]) -> list[CategoryAnswer]:
    probabilities = head.scores(vectors)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
    return [
        CategoryAnswer(tuple(head.labels[place] for place in best), float(row[best[0]]))
        for row, best in zip(probabilities, order, strict=True)
    ]


def _renamed(answer: CategoryAnswer, names: Mapping[str, str]) -> CategoryAnswer:
    return CategoryAnswer(tuple(names[spoken] for spoken in answer.ranked), answer.score)


def _leaf_rows(rows: Sequence[LabelledRow]) -> tuple[list[LabelledRow], list[tuple[str, ...]]]:
    """Say the leaves that each row's label covers; rows whose label fits no leaf are left out."""
    table = load_label_table(load_taxonomy()).covering({row.label for row in rows})
    kept = [row for row in rows if table[row.label]]
    return kept, [tuple(_name(leaf) for leaf in table[row.label]) for row in kept]


def _settled(row: LabelledRow, leaves: Sequence[str], answer: CategoryAnswer) -> LabelledRow:
    """Name the row's leaf instead of its label: of several the one answered first, or the one to assume."""
    leaf = next((leaf for leaf in answer.ranked[:_TOP] if leaf in leaves), leaves[0])
    return LabelledRow(listing_id=row.listing_id, images=row.images, label=leaf)


def _shipped(rows: Sequence[LabelledRow], embedder: Embedder, progress: Progress) -> list[CategoryAnswer]:
    classifier = CategoryClassifier.for_model(embedder.fingerprint)
    if classifier is None:
        raise UnsupportedByModel(
            f"no category head is shipped for {embedder.fingerprint}: use touchstone-s, or evaluate with --train"
        )
    predictions = [classifier.predict(vector[np.newaxis]) for vector in embed_rows(rows, embedder, progress)]
    return [
        CategoryAnswer(
            tuple(_name(path) for path in (found.path, *(other.path for other in found.alternatives)) if path),
            found.probability,
        )
        for found in predictions
    ]


def _name(path: CategoryPath) -> str:
    return " > ".join(path)
