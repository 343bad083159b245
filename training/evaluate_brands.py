"""Which brand is in the photo, or none? `eval brands`: open-set retrieval through what ScreenListing serves.

A throw-away registry is filled with the references, then each query goes through `Moderation.screen` like any listing:
checked on the wire, screened, recorded. The answer is the decision's likeliest visual match; nothing else decides.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from index.errors import CatalogueError, ReferenceTooSmall
from index.manifest import ListingRow, ReferenceRow, read_listings, read_references
from reference_brands.seed import seed_marks
from serving.app import Application, open_application
from serving.domain import Listing
from serving.registry import NewReference, add_references, manifest_references, seed_references
from serving.settings import Settings
from serving.wire import from_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from training.metrics import box_hit_rate, recall_at_fpr
from training.predictions import Prediction, write_predictions
from training.progress import Progress, silent
from vision.regions import Box

log = logging.getLogger(__name__)

SEED = "seed"
# The score of a query without any match: below every probability.
_NO_MATCH = -1.0


@dataclass(frozen=True, kw_only=True)
class BrandReport:
    """The figures of `eval brands`, by the names that it prints. `box_hit_rate` is None without labelled boxes."""

    queries: int
    positives: int
    negatives: int
    references: int
    top1: float
    recall_at_fpr_1pct: float
    box_hit_rate: float | None
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
    progress: Progress | None = None,
) -> BrandReport:
    """Search the query manifest in the reference manifest (or "seed", the curated seed catalogue).

    `max_per_brand` keeps the first N references of each brand; `only_known` drops queries of brands without references,
    keeps the negatives. References that are too small to be imported are left out and
    logged. Writes one line per query to `predictions`. Calls `progress(done, total)` after each query.

    Raises:
        CatalogueError: a manifest cannot be used, a reference's image is unreadable, or no query is left.

    """
    rows = list(read_listings(queries))
    with (
        tempfile.TemporaryDirectory() as folder,
        open_application(settings.model_copy(update={"data_dir": Path(folder)})) as application,
    ):
        known = _fill(application, references, max_per_brand)
        if only_known:
            rows = [row for row in rows if row.labels.brand is None or row.labels.brand in known]
        if not rows:
            raise CatalogueError(f"{queries}: no query is left; give queries of brands with references, or negatives.")
        answers, times_ms = _ask(application, rows, progress or silent)
        count, model = len(application.knowledge.current.catalogue), application.embedder.fingerprint
    if predictions is not None:
        write_predictions(predictions, answers)
    return report(answers, rows, references=count, times_ms=times_ms, model=model)


def report(
    answers: Sequence[Prediction], rows: Sequence[ListingRow], *, references: int, times_ms: Sequence[float], model: str
) -> BrandReport:
    """Score answers against the labels of the same queries, in the same order."""
    truths = [row.labels.brand for row in rows]
    right = [truth is not None and answer.answer == truth for answer, truth in zip(answers, truths, strict=True)]
    positives = sum(truth is not None for truth in truths)
    hits = box_hit_rate(
        [answer.box for answer, ok in zip(answers, right, strict=True) if ok],
        [row.labels.boxes for row, ok in zip(rows, right, strict=True) if ok],
    )
    return BrandReport(
        queries=len(rows),
        positives=positives,
        negatives=len(rows) - positives,
        references=references,
        top1=sum(right) / positives if positives else 0.0,
        recall_at_fpr_1pct=recall_at_fpr(
            [answer.answer for answer in answers], [answer.score for answer in answers], truths, fpr=0.01
        ),
        box_hit_rate=hits,
        ms_per_image_p50=statistics.median(times_ms),
        model=model,
    )


def _fill(application: Application, references: str, max_per_brand: int | None) -> set[str]:
    """Put the references into the throw-away registry; returns the brand names that have some."""
    names: set[str] = set()

    def noted(items: Iterable[NewReference]) -> Iterator[NewReference]:
        for item in items:
            names.update((item.brand.name, *item.brand.aliases))
            yield item

    source = (
        seed_references(seed_marks()) if references == SEED else _of_manifest(application, references, max_per_brand)
    )
    add_references(application.store, application.embedder, noted(source))
    application.knowledge.refresh()
    return names


def _of_manifest(application: Application, references: str, max_per_brand: int | None) -> Iterator[NewReference]:
    def refuse(error: CatalogueError) -> None:
        if not isinstance(error, ReferenceTooSmall):
            raise error
        log.warning("left out: %s", error)

    rows = _first_of_each(read_references(Path(references)), max_per_brand)
    return manifest_references(rows, application.store, on_error=refuse)


def _first_of_each(rows: Iterable[ReferenceRow], most: int | None) -> Iterator[ReferenceRow]:
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.brand] += 1
        if most is None or seen[row.brand] <= most:
            yield row


def _ask(
    application: Application, rows: Sequence[ListingRow], progress: Progress
) -> tuple[list[Prediction], list[float]]:
    answers: list[Prediction] = []
    times_ms: list[float] = []
    for row in rows:
        listing = Listing(listing_id=row.listing_id, images=tuple(path.read_bytes() for path in row.images))
        request = pb.ScreenListingRequest(listing=from_listing(listing))
        start = time.perf_counter()
        decision = application.moderation.screen(request)
        times_ms.append((time.perf_counter() - start) * 1000 / max(len(row.images), 1))
        answers.append(answer_of(row.listing_id, decision))
        progress(len(answers), len(rows))
    return answers, times_ms


def answer_of(listing_id: str, decision: decision_pb2.Decision) -> Prediction:
    """Read the answer off a decision: its likeliest visual match, or none; the score is that match's probability."""
    matches = [item.visual_match for item in decision.evidence if item.HasField("visual_match")]
    if not matches:
        return Prediction(listing_id=listing_id, answer=None, score=_NO_MATCH)
    best = max(matches, key=lambda match: match.probability)
    box = Box(best.box.x1, best.box.y1, min(best.box.x2, 1.0), min(best.box.y2, 1.0))
    return Prediction(listing_id=listing_id, answer=best.brand, score=best.probability, box=box)
