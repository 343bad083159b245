"""Does it recognise marks of brands it was never trained on? `eval marks`, through what ScreenListing serves.

Marks of held-out brands (`reference_brands.held_out`; FlickrLogos-27's among them) are printed on real photos and
searched among all marks of the seed catalogue, curated or not; as many photos without a mark are the negatives. The
scenes are the same for the same seed and photos.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.errors import CatalogueError
from index.manifest import ListingRow, read_listings
from reference_brands.held_out import is_held_out
from reference_brands.seed import SeedMark, seed_brands, seed_marks
from serving.reference_sources import seed_references
from serving.settings import Settings
from training.asking import Asked, ask, boxes_hit, recall, top_k
from training.mark_scenes import draw_scene, enlarged, spoil
from training.predictions import write_predictions
from training.progress import Progress, silent
from training.report_brands import write_brand_report
from training.throwaway import Throwaway, throwaway_registry
from vision.decode import decode
from vision.errors import ImageError

SCENES = 600
"""Photos with a mark, and as many without: a proportion of 0.9 is then known to within 2.4 points (95%)."""

MANIFEST = "scenes.jsonl"


@dataclass(frozen=True, kw_only=True)
class MarkReport:
    """The figures of `eval marks`, by the names that it prints.

    `n` photos carry a mark of one of `brands` held-out brands, `negatives` carry none; `references` marks are searched.
    """

    n: int
    top1: float
    top5: float
    recall_at_fpr_1pct: float
    box_hit_rate: float | None
    negatives: int
    brands: int
    references: int
    forwards_per_image: float
    ms_per_image_p50: float
    model: str


def evaluate_marks(
    photos: Sequence[Path],
    *,
    settings: Settings,
    scenes: int = SCENES,
    seed: int = 0,
    only: Collection[str] | None = None,
    predictions: Path | None = None,
    report: Path | None = None,
    keep: Path | None = None,
    progress: Progress | None = None,
) -> MarkReport:
    """Draw `scenes` marks into photos of the listing manifests `photos` and search them, and as many bare photos.

    The scenes are files for as long as this runs; in the folder `keep`, with their manifest, for good. `only` searches
    the marks of these brands alone, for a run in miniature. Calls `progress(done, total)` after each reference, each
    scene and each query.

    Raises:
        CatalogueError: a manifest cannot be used, no photo of it can be read, or `only` names no held-out brand.

    """
    follow, marks = progress or silent, _Noted()
    total = sum(len(brand.marks) for brand in seed_brands(everything=True)) if only is None else len(only)
    with (
        tempfile.TemporaryDirectory() if keep is None else nullcontext(keep) as folder,
        throwaway_registry(
            settings,
            lambda _: seed_references(marks.noted(seed_marks(only, everything=True, earlier=False))),
            progress=follow,
            total=total,
        ) as registry,
    ):
        manifest = draw_scenes(Path(folder), marks.held_out, photos, scenes=scenes, seed=seed, progress=follow)
        asked = ask(registry, list(read_listings(manifest)), follow)
        figures = _figures(asked, registry)
        if report is not None:
            write_brand_report(report, "eval marks", figures, asked.judged, registry.pictures)
    if predictions is not None:
        write_predictions(predictions, (each.prediction for each in asked.judged))
    return figures


def draw_scenes(
    folder: Path, marks: Sequence[SeedMark], photos: Sequence[Path], *, scenes: int, seed: int, progress: Progress
) -> Path:
    """Write `scenes` photos with one of `marks` each, as many without, and their listing manifest; return its path.

    Brands take turns, so that each has about as many scenes whatever the number of its marks. Only when there are fewer
    than twice `scenes` photos does one serve again. Raises CatalogueError without marks, or when no photo can be read.
    """
    if not marks:
        raise CatalogueError("there is no mark of a held-out brand to draw; see reference_brands.held_out.")
    rng = np.random.default_rng(seed)
    grounds = _Grounds(photos, rng)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for number, mark in zip(range(scenes), _turns(marks, rng), strict=False):
        scene = draw_scene(grounds.next(), mark.svg, mark.colour, rng)
        box = [scene.box.x1, scene.box.y1, scene.box.x2, scene.box.y2]
        # The name says what is right, so that a predictions file alone can be scored.
        rows.append(_write(folder, f"{number:04d}-{mark.brand.brand_id}", scene.jpeg, mark.brand.name, [box]))
        progress(len(rows), 2 * scenes)
    for number in range(scenes):
        rows.append(_write(folder, f"{number:04d}-none", spoil(enlarged(grounds.next()), rng), None, []))
        progress(len(rows), 2 * scenes)
    manifest = folder / MANIFEST
    manifest.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return manifest


def _figures(asked: Asked, registry: Throwaway) -> MarkReport:
    marked = [each for each in asked.judged if each.truth is not None]
    return MarkReport(
        n=len(marked),
        top1=top_k(asked.judged, k=1),
        top5=top_k(asked.judged, k=5),
        recall_at_fpr_1pct=recall(asked.judged, fpr=0.01),
        box_hit_rate=boxes_hit(asked.judged),
        negatives=len(asked.judged) - len(marked),
        brands=len({each.truth for each in marked}),
        references=registry.references,
        forwards_per_image=asked.forwards_per_image,
        ms_per_image_p50=statistics.median(asked.times_ms),
        model=registry.application.embedder.fingerprint,
    )


class _Noted:
    """Remembers the held-out marks of those that pass: drawing 3,000 marks a second time would take half a minute."""

    def __init__(self) -> None:
        self.held_out: list[SeedMark] = []

    def noted(self, marks: Iterable[SeedMark]) -> Iterator[SeedMark]:
        for mark in marks:
            if is_held_out(mark.brand.name, mark.brand.brand_id, mark.mark_id):
                self.held_out.append(replace(mark, renderings=()))
            yield mark


class _Grounds:
    """The photos of the manifests in random order, each decoded when its turn comes; unreadable ones are skipped."""

    def __init__(self, manifests: Sequence[Path], rng: np.random.Generator) -> None:
        rows: list[ListingRow] = [row for manifest in manifests for row in read_listings(manifest)]
        paths = [path for row in rows for path in row.images]
        self._paths = [paths[place] for place in rng.permutation(len(paths))]
        self._where = ", ".join(map(str, manifests))
        self._next = 0

    def next(self) -> NDArray[np.uint8]:
        for _ in self._paths:
            path = self._paths[self._next % len(self._paths)]
            self._next += 1
            try:
                return decode(path.read_bytes()).pixels
            except (ImageError, OSError):
                continue
        raise CatalogueError(f"{self._where}: no photo can be read; give listing manifests with images.")


def _turns(marks: Sequence[SeedMark], rng: np.random.Generator) -> Iterator[SeedMark]:
    """Give a mark of each brand, then of each brand again, in random order and without end."""
    by_brand: dict[str, list[SeedMark]] = {}
    for mark in marks:
        by_brand.setdefault(mark.brand.brand_id, []).append(mark)
    brands = list(by_brand.values())
    while True:
        for place in rng.permutation(len(brands)):
            yield brands[place][rng.integers(len(brands[place]))]


def _write(
    folder: Path, name: str, jpeg: bytes, brand: str | None, boxes: Sequence[Sequence[float]]
) -> dict[str, object]:
    """Write one scene; returns its row of the manifest."""
    file = f"{name}.jpg"
    (folder / file).write_bytes(jpeg)
    return {"listing_id": name, "images": [file], "labels": {"brand": brand, "boxes": boxes}}
