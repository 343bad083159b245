"""Are the decisions right? `eval decisions`: the whole pipeline on listings of which people know what they are.

A throw-away registry is filled with the references and the usual prices, and every listing is screened as a
marketplace's is: checked on the wire, screened, recorded. Nothing is known of the sellers, for a listing manifest says
nothing of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from index.errors import CatalogueError
from index.manifest import ListingRow, read_listings
from index.price_history import read_history
from serving.domain import Verdict
from serving.settings import Settings
from training.deciding import JudgedListing, decide_on
from training.labelled_facts import LabelledFacts, write_labelled_facts
from training.metrics import roc_auc, tpr_at_fpr
from training.predictions import Prediction, write_predictions
from training.progress import Progress, silent
from training.reference_source import ReferenceSource
from training.reliability import brier, expected_calibration_error, log_loss, recall_at_precision
from training.report_decisions import write_decision_report
from training.throwaway import throwaway_registry


@dataclass(frozen=True, kw_only=True)
class DecisionReport:
    """The figures of `eval decisions`, by the names that it prints.

    A listing is flagged when the verdict is REVIEW or TAKEDOWN; precisions are None where there was no such verdict.
    `verdicts` counts them by truth ("infringing", "honest") and verdict. Probabilities are those of the decisions.
    """

    n: int
    positives: int
    negatives: int
    auc: float
    takedown_precision: float | None
    takedown_recall: float
    flagged_precision: float | None
    flagged_recall: float
    recall_at_fpr_1pct: float
    recall_at_precision_99_5pct: float
    log_loss: float
    brier: float
    ece: float
    verdicts: dict[str, dict[str, int]]
    ms_per_listing_p50: float
    model: str
    policy_version: str
    fusion_version: str


def evaluate_decisions(
    listings: Path,
    references: str,
    history: Path,
    *,
    settings: Settings,
    predictions: Path | None = None,
    facts: Path | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> DecisionReport:
    """Screen the labelled manifest `listings` with the references ("seed" or a manifest) and the usual prices.

    Policy and fusion model are those of `settings`. Writes one line per listing to `predictions` (the verdict as
    answer, the probability as score) and to `facts` (for `touchstone fusion fit`), and an HTML page to `report`. Calls
    `progress(done, total)` after each reference, then after each listing.

    Raises:
        CatalogueError: a manifest cannot be used, a label is missing, or the listings are all of one kind.
        PriceDataError: the history cannot be used.

    """
    rows, follow, source = _read_labelled(listings), progress or silent, ReferenceSource(references)
    with throwaway_registry(settings, source.references, progress=follow, total=source.expected) as registry:
        application = registry.application
        application.store.add_price_observations(read_history(history))
        application.knowledge.refresh()
        judged = decide_on(application, rows, follow)
        figures = figures_of(judged, model=application.embedder.fingerprint)
    if predictions is not None:
        write_predictions(predictions, map(_prediction, judged))
    if facts is not None:
        write_labelled_facts(facts, map(_labelled, judged))
    if report is not None:
        write_decision_report(report, figures, judged)
    return figures


def figures_of(judged: Sequence[JudgedListing], *, model: str) -> DecisionReport:
    """Reduce judged listings of both kinds to figures; `model` is the embedder's fingerprint."""
    truth = [each.infringing for each in judged]
    said = [each.probability for each in judged]
    removed = [each.verdict is Verdict.TAKEDOWN for each in judged]
    flagged = [each.verdict is not Verdict.ALLOW for each in judged]
    return DecisionReport(
        n=len(judged),
        positives=sum(truth),
        negatives=len(truth) - sum(truth),
        auc=roc_auc(said, truth),
        takedown_precision=_precision(removed, truth),
        takedown_recall=_recall(removed, truth),
        flagged_precision=_precision(flagged, truth),
        flagged_recall=_recall(flagged, truth),
        recall_at_fpr_1pct=tpr_at_fpr(said, truth, fpr=0.01),
        recall_at_precision_99_5pct=recall_at_precision(said, truth, precision=0.995),
        log_loss=log_loss(said, truth),
        brier=brier(said, truth),
        ece=expected_calibration_error(said, truth),
        verdicts={
            kind: {str(v): sum(e.verdict is v and e.infringing is is_fake for e in judged) for v in Verdict}
            for kind, is_fake in (("infringing", True), ("honest", False))
        },
        ms_per_listing_p50=statistics.median(each.ms for each in judged),
        model=model,
        policy_version=judged[0].policy_version,
        fusion_version=judged[0].fusion_version,
    )


def _precision(called: Sequence[bool], truth: Sequence[bool]) -> float | None:
    hits = [fake for was_called, fake in zip(called, truth, strict=True) if was_called]
    return sum(hits) / len(hits) if hits else None


def _recall(called: Sequence[bool], truth: Sequence[bool]) -> float:
    found = [was_called for was_called, fake in zip(called, truth, strict=True) if fake]
    return sum(found) / len(found)


def _read_labelled(path: Path) -> list[ListingRow]:
    rows = list(read_listings(path))
    for row in rows:
        if row.labels.infringing is None:
            raise CatalogueError(f"{row.where}: labels.infringing: a listing needs it here; give true or false.")
        for photo in row.images:
            if not photo.is_file():  # said before hours of screening, not after
                raise CatalogueError(f"{row.where}: images: {photo} is not there; paths are relative to the manifest.")
    if len({row.labels.infringing for row in rows}) < 2:
        raise CatalogueError(f"{path}: needs listings with labels.infringing true and listings with false.")
    return rows


def _prediction(each: JudgedListing) -> Prediction:
    return Prediction(listing_id=each.listing_id, answer=str(each.verdict), score=each.probability)


def _labelled(each: JudgedListing) -> LabelledFacts:
    return LabelledFacts(listing_id=each.listing_id, facts=each.facts, infringing=each.infringing)
