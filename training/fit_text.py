"""How do words find pictures? Fits the projection of `touchstone-s`'s text tower; run it when the trunk has changed.

    python -m training.fit_text            # writes text_projection.safetensors beside the weights

The sentence encoder is frozen (`training.convert_text`); what is fitted, in closed form, is the kernel regression of
`vision.text.Projection` from sentences to directions in the image space. Its anchors are

    the 1,000 ImageNet classes    all names of a class; its row of the classifier in the trunk's package, carried over
                                  to the trunk as it is now
    the labels of clothing and    the label; what tells its photos from the others' (the linear discriminant)
    grocery, train splits

Marks are no anchors: a brand's name does not say how its mark looks, so nothing could be learnt for other names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from training.category_rows import as_photos, embed_rows, read_labelled, spoken
from training.imagenet import embed_as_packaged, load_imagenet, rows_in
from training.model_folder import Part, write_part
from training.progress import Progress, progress_bar
from vision.checkpoint import MODELS, PROJECTION, TEXT, Manifest, load_weights, read_config, read_manifest
from vision.clip import load_embedder
from vision.concepts import PROMPT_TEMPLATES
from vision.networks import DEFAULT_MODEL, build_text_tower
from vision.text import Projection

DATA_SETS = ("clothing", "grocery")
# Share of the mean variance in the covariance within a label: 0.03, 0.1, 0.3 name 0.874, 0.882, 0.882 of clothing/test.
SHRINKAGE = 0.3
# How far an anchor's direction may be missed (ridge): ImageNet's names are often odd ones, labels are as people speak.
_SLACK_OF_CLASSES, _SLACK_OF_LABELS = 0.3, 0.01
_REMAKE = "python -m training.fit_text"

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Anchors:
    """Sentences whose direction is known: unit rows [n, width] and [n, dim], and how far each may be missed [n]."""

    sentences: Vectors
    directions: Vectors
    slack: Vectors


def fit_projection(anchors: Anchors) -> tuple[Vectors, Vectors]:
    """Solve the kernel ridge regression: the tensors `anchors` [n, width] and `directions` [n, dim] of a Projection."""
    kernel = np.exp((anchors.sentences @ anchors.sentences.T - 1).astype(np.float64) * Projection.SHARPNESS)
    directions = np.linalg.solve(kernel + np.diag(anchors.slack), anchors.directions)
    return anchors.sentences, directions.astype(np.float32)


def discriminants(vectors: Vectors, labels: Sequence[str]) -> tuple[tuple[str, ...], Vectors]:
    """Find what tells each label's photos from the others': the names and Fisher's directions, float32 [labels, dim].

    `vectors` is float32 [n, dim] with unit rows, one label a row.
    """
    names, places = np.unique(np.asarray(labels), return_inverse=True)
    means = np.stack([vectors[places == place].mean(axis=0) for place in range(len(names))])
    within = vectors - means[places]
    covariance = within.T @ within / len(within)
    spread = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread
    directions: Vectors = np.linalg.solve(shrunk, (means - means.mean(axis=0)).T).T.astype(np.float32)
    return tuple(str(name) for name in names), directions


class SentenceEncoder:
    """The frozen half of a folder's text tower: words into sentence vectors, before any projection."""

    def __init__(self, manifest: Manifest) -> None:
        self._tower, self._tokenizer = build_text_tower(manifest, read_config(manifest)["text_cfg"], anchors=0)
        weights = load_weights(manifest.files[TEXT]).items()
        own = {name.removeprefix("text."): tensor.float() for name, tensor in weights}
        self._tower.load_state_dict(own, strict=False, assign=True)
        self._tower.eval().requires_grad_(False)

    def encode(self, names: Sequence[str]) -> Vectors:
        """Put each name into every prompt template and average the sentences: float32 [n, width], unit rows."""
        rows = []
        for name in names:
            sentences = self._tower.encode(self._tokenizer([template.format(name) for template in PROMPT_TEMPLATES]))
            rows.append(sentences.mean(dim=0).numpy())
        return unit(np.stack(rows))


def unit(rows: Vectors) -> Vectors:
    """Scale each row to length 1."""
    scaled: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled


def fit_text(data: Path, folder: Path, *, progress: Progress) -> int:
    """Fit the projection of the model in `folder` and write it there; returns the number of anchors.

    Raises:
        CatalogueError: a manifest or image cannot be read.
        CheckpointError: the folder has no text encoder, or a file of it is corrupt.

    """
    manifest = read_manifest(folder)
    rows = [row for name in DATA_SETS for row in read_labelled(data / name / "train.jsonl")]
    embedder = load_embedder(str(folder), device="cpu")
    photos = embed_rows(rows, embedder, progress, seen=as_photos)
    imagenet = load_imagenet()
    packaged = embed_as_packaged(rows, photos, fingerprint=embedder.fingerprint, progress=progress)
    classes = rows_in(imagenet.weights, old=packaged, new=photos)
    names, labels = discriminants(photos, [spoken(row.label) for row in rows])
    encoder = SentenceEncoder(manifest)
    # What all photos share says nothing of any: along their mean every direction is flat.
    common = unit(photos.mean(axis=0, keepdims=True))
    directions = [unit(rows - (rows @ common.T) * common) for rows in (classes - classes.mean(axis=0), labels)]
    anchors, weights = fit_projection(
        Anchors(
            sentences=np.concatenate([encoder.encode(imagenet.descriptions), encoder.encode(names)]),
            directions=np.concatenate(directions),
            slack=np.repeat(np.array([_SLACK_OF_CLASSES, _SLACK_OF_LABELS], np.float32), [len(classes), len(names)]),
        )
    )
    write_part(folder, PROJECTION, _part(anchors, weights, fitted_on=manifest.visual.sha256))
    return len(anchors)


def _part(anchors: Vectors, directions: Vectors, *, fitted_on: str) -> Part:
    from safetensors.numpy import save

    tensors = {"text.projection.anchors": anchors, "text.projection.directions": directions}
    return Part(
        "text_projection.safetensors",
        save({name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}),
        licence="Apache-2.0; the data is CC0-1.0 and MIT",
        source="training.fit_text on the packages of `visual` and `text`, clothing/train and grocery/train",
        remake=_REMAKE,
        fitted_on=fitted_on,
    )


@click.command()
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of the data sets.")
@click.option(
    "--model", "folder", type=click.Path(path_type=Path), default=MODELS / DEFAULT_MODEL, help="Model folder."
)
def main(data: Path | None, folder: Path) -> None:
    """Fit the text projection to the visual weights of a model folder."""
    with progress_bar("embedding") as progress:
        anchors = fit_text(
            data or Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data")), folder, progress=progress
        )
    click.echo(f"{folder}: text projection over {anchors} anchors")


if __name__ == "__main__":
    main()
