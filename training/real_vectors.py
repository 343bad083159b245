"""What do embeddings of real marks look like, as many as an index is measured with? Real ones, and real ones jittered.

References are the renderings of every mark of the seed catalogue; queries are marks printed on real photos and cut
out, as a listing's regions are, and renderings that were compressed as a marketplace does. Where more references are
wanted than there are, real ones are moved as the camera moves them: by draws from the distribution of the differences
between a rendering and its photos.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from index.manifest import read_listings
from reference_brands.seed import SeedMark, seed_marks
from serving.embedders import load_torch
from serving.settings import Settings
from training.mark_scenes import draw_scene, spoil
from training.progress import Progress
from vision.decode import decode
from vision.regions import crop

FloatArray = NDArray[np.float32]

_BATCH = 64
# `serving.visual.SURROUNDINGS` widens a found mark's box by as much.
_SURROUNDINGS = 0.2
_JITTER_BLOCK = 65_536


@dataclass(frozen=True, eq=False, kw_only=True)
class RealVectors:
    """Unit rows, float32 [*, dim]: `references`, `photos` of marks, and `copies`: renderings compressed again.

    `photo_references` and `copy_references` say which reference each shows, int64.
    """

    references: FloatArray
    photos: FloatArray
    photo_references: NDArray[np.int64]
    copies: FloatArray
    copy_references: NDArray[np.int64]

    def projected(self, dim: int) -> RealVectors:
        """Keep the `dim` directions in which the references differ most, and make the rows' length 1 again."""
        if dim >= self.references.shape[1]:
            return self
        _, vectors = np.linalg.eigh((self.references.T @ self.references).astype(np.float64))
        axes = vectors[:, -dim:].astype(np.float32)
        return RealVectors(
            references=unit(self.references @ axes),
            photos=unit(self.photos @ axes),
            photo_references=self.photo_references,
            copies=unit(self.copies @ axes),
            copy_references=self.copy_references,
        )


def unit(rows: FloatArray) -> FloatArray:
    """Make the length of rows 1."""
    normalised: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return normalised


def real_vectors(cache: Path, photos: Path, *, queries: int, progress: Progress, seed: int = 0) -> RealVectors:
    """Embed the seed catalogue's marks and photos of `queries` of them, or read what an earlier call left in `cache`.

    `photos` is a listing manifest. Raises OSError or CatalogueError when it cannot be read.
    """
    if not cache.is_file():
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, **vars(_embed(photos, queries=queries, progress=progress, seed=seed)))
    with np.load(cache, allow_pickle=False) as stored:
        return RealVectors(**stored)


def with_jitter(real: RealVectors, count: int, *, seed: int = 0) -> FloatArray:
    """Give `count` references, the real ones first: float32 [count, dim] with unit rows.

    Those beyond are real ones, each as often as the other, plus a draw from the normal distribution that has the mean
    and the covariance of the differences between photos of marks and their references.
    """
    random = np.random.default_rng(seed)
    residuals = real.photos - real.references[real.photo_references]
    mean, centred = residuals.mean(axis=0), residuals - residuals.mean(axis=0)
    rows = np.empty((count, real.references.shape[1]), np.float32)
    known = min(count, len(real.references))
    rows[:known] = real.references[:known]
    for start in range(known, count, _JITTER_BLOCK):
        here = np.arange(start, min(start + _JITTER_BLOCK, count))
        # Weights of a normal distribution on the differences themselves have their covariance.
        weights = random.standard_normal((len(here), len(centred)), dtype=np.float32)
        moved = weights @ centred / np.float32(np.sqrt(len(centred))) + mean
        rows[here] = unit(real.references[here % len(real.references)] + moved)
    return rows


def _embed(photos: Path, *, queries: int, progress: Progress, seed: int) -> RealVectors:
    random = np.random.default_rng(seed)
    embedder = load_torch(Settings())
    marks = list(seed_marks(everything=True, earlier=False))
    firsts = np.cumsum([0, *(len(mark.renderings) for mark in marks)])
    pictures = [picture for mark in marks for picture in mark.renderings]
    chosen = random.permutation(len(marks))[np.arange(queries) % len(marks)]
    copied = random.permutation(len(pictures))[:queries]
    total, done = len(pictures) + 2 * queries, 0

    def embedded(crops: Iterator[NDArray[np.uint8]]) -> FloatArray:
        nonlocal done
        found, batch = [], []
        for one in crops:
            batch.append(one)
            if len(batch) == _BATCH:
                found.append(embedder.embed_marks(batch))
                done += len(batch)
                progress(done, total)
                batch = []
        return np.concatenate([*found, embedder.embed_marks(batch)])

    references = embedded(iter(pictures))
    scenes = embedded(_photographed([marks[at] for at in chosen], photos, random))
    # The rendering that a photo resembles most is the one that it is of: ink on paper, or paper on ink.
    shown = [firsts[at] + int(np.argmax(references[firsts[at] : firsts[at + 1]] @ scene)) for at, scene in
             zip(chosen, scenes, strict=True)]  # fmt: skip
    copies = embedded(decode(spoil(pictures[at], random)).pixels for at in copied)
    return RealVectors(
        references=references,
        photos=scenes,
        photo_references=np.array(shown, np.int64),
        copies=copies,
        copy_references=copied.astype(np.int64),
    )


def _photographed(
    marks: Sequence[SeedMark], manifest: Path, random: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """Print each mark on a photo of its own, and cut it out."""
    paths = [path for row in read_listings(manifest) for path in row.images]
    for number, mark in enumerate(marks):
        ground = cv2.imread(str(paths[number % len(paths)]), cv2.IMREAD_COLOR_RGB)
        scene = draw_scene(np.asarray(ground, np.uint8), mark.svg, mark.colour, random)
        yield crop(decode(scene.jpeg).pixels, scene.box.grown(_SURROUNDINGS))
