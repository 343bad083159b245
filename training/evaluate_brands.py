"""Which brand is in the photo, or none? `eval brands`: open-set retrieval through what ScreenListing serves.

A throw-away registry is filled with the references, every query is screened, and the answers are scored. Labels are
compared as the registry compares names: a label "Cocacola" and the brand Coca-Cola are the same.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from index.errors import CatalogueError
from index.manifest import read_listings
from serving.settings import Settings
from training.asking import Asked, ask, boxes_hit, recall, top_k
from training.predictions import write_predictions
from training.progress import Progress, silent
from training.reference_source import ReferenceSource
from training.report_brands import write_brand_report
from training.throwaway import Throwaway, throwaway_registry


@dataclass(frozen=True, kw_only=True)
class BrandReport:
    """The figures of `eval brands`, by the names that it prints. `box_hit_rate` is None without labelled boxes.

    `forwards_per_image` is what screening an image costs, in forwards of one whole image.
    """

    queries: int
    positives: int
    negatives: int
    references: int
    top1: float
    recall_at_fpr_1pct: float
    box_hit_rate: float | None
    forwards_per_image: float
    ms_per_image_p50: float
    model: str


def evaluate_brands(
    queries: Path,
    references: str,
    *,
    settings: Settings,
    max_per_brand: int | None = None,
    only_known: bool = False,
    predictions: Path | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> BrandReport:
    """Search the query manifest in the reference manifest (or "seed", the curated seed catalogue).

    `max_per_brand` keeps the first N references of each brand; `only_known` drops queries of brands without references,
    keeps the negatives. References that are too small to be imported are left out and
    logged. Writes one line per query to `predictions`, and an HTML page to `report`. Calls `progress(done, total)`
    after each reference, then after each query.

    Raises:
        CatalogueError: a manifest cannot be used, a reference's image is unreadable, or no query is left.

    """
    rows, follow = list(read_listings(queries)), progress or silent
    source = ReferenceSource(references, max_per_brand=max_per_brand)
    with throwaway_registry(settings, source.references, progress=follow, total=source.expected) as registry:
        if only_known:
            rows = [row for row in rows if row.labels.brand is None or row.labels.brand in registry.names]
        if not rows:
            raise CatalogueError(f"{queries}: no query is left; give queries of brands with references, or negatives.")
        asked = ask(registry, rows, follow)
        figures = _figures(asked, registry)
    if predictions is not None:
        write_predictions(predictions, (each.prediction for each in asked.judged))
    if report is not None:
        write_brand_report(report, "eval brands", figures, asked.judged, registry.pictures)
    return figures


def _figures(asked: Asked, registry: Throwaway) -> BrandReport:
    positives = sum(each.truth is not None for each in asked.judged)
    return BrandReport(
        queries=len(asked.judged),
        positives=positives,
        negatives=len(asked.judged) - positives,
        references=registry.references,
        top1=top_k(asked.judged, k=1),
        recall_at_fpr_1pct=recall(asked.judged, fpr=0.01),
        box_hit_rate=boxes_hit(asked.judged),
        forwards_per_image=asked.forwards_per_image,
        ms_per_image_p50=statistics.median(asked.times_ms),
        model=registry.application.embedder.fingerprint,
    )
