"""What should a person see of a decision evaluation? Turns judged listings into the page of `eval decisions`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from serving.domain import Verdict
from training.deciding import JudgedListing
from training.metrics import open_set_curve
from training.reliability import reliability
from training.report_charts import curve, histogram
from training.report_page import FAILURES_SHOWN, Chart, Failure, FailureSheet, Figure, Page, share, spread, write_page

_INFRINGING = "infringing"
_REASONS_SHOWN = 3

_MEANINGS = {
    "flagged_recall": ("found", "share of the counterfeits that were sent to review or taken down"),
    "flagged_precision": (
        "right when flagged",
        "share of counterfeits among all that was sent to review or taken down",
    ),
    "takedown_recall": ("taken down", "share of the counterfeits that were taken down without a person"),
    "takedown_precision": ("right when taken down", "share of counterfeits among all that was taken down"),
    "recall_at_fpr_1pct": ("found at 1% false alarms", "by the probability alone"),
    "recall_at_precision_99_5pct": ("found at 99.5% precision", "by the probability alone"),
    "auc": ("AUC", "how often a counterfeit is more probable than an honest listing"),
    "ece": ("calibration error", "mean distance of what was said and what came true"),
    "log_loss": ("log-loss", "in nats: 0 is perfect, 0.693 a coin"),
    "brier": ("Brier score", "mean squared error of the probability"),
    "positives": ("counterfeits", "listings labelled as infringing"),
    "negatives": ("honest", "listings labelled as not infringing"),
    "ms_per_listing_p50": ("ms per listing", "median time to decide on this machine"),
}


def write_decision_report(path: Path, figures: Any, judged: Sequence[JudgedListing]) -> None:
    """Write the page of `eval decisions` to `path`; `figures` is its report, a frozen dataclass."""
    values = asdict(figures)
    page = Page(
        title="touchstone eval decisions",
        summary=f"Model {values['model']}, policy {values['policy_version']}, fusion {values['fusion_version']}. "
        "Every listing went through the screening that is served.",
        what="verdict",
        figures=[_figure(name, values[name]) for name in _MEANINGS] + _matrix(values["verdicts"]),
        charts=_charts(judged),
        classes=(),
        sheets=failure_sheets(judged),
    )
    write_page(path, page)


def failure_sheets(judged: Sequence[JudgedListing]) -> list[FailureSheet]:
    """Sort what went wrong into kinds, gravest first, and pick 40 in all; within a kind the surest mistakes first."""

    def wrong(verdict: Verdict, *, infringing: bool) -> list[JudgedListing]:
        found = [each for each in judged if each.verdict is verdict and each.infringing is infringing]
        return sorted(found, key=lambda each: each.probability, reverse=not infringing)

    kinds = [
        ("Honest, but taken down", "No person looked; surest first.", wrong(Verdict.TAKEDOWN, infringing=False)),
        ("Counterfeit, but allowed", "Buyers see these; least suspected first.", wrong(Verdict.ALLOW, infringing=True)),
        ("Honest, but sent to review", "A moderator's time; surest first.", wrong(Verdict.REVIEW, infringing=False)),
    ]
    shown = spread([len(found) for _, _, found in kinds], FAILURES_SHOWN)
    return [
        FailureSheet(title=title, meaning=meaning, total=len(found), failures=[_failure(each) for each in found[:most]])
        for (title, meaning, found), most in zip(kinds, shown, strict=True)
    ]


def _figure(name: str, value: Any) -> Figure:
    label, meaning = _MEANINGS[name]
    if isinstance(value, int):
        return Figure(label=label, value=f"{value:,}", meaning=meaning)
    return Figure(label=label, value=f"{value:,.1f}" if name.startswith("ms_") else share(value), meaning=meaning)


def _matrix(verdicts: dict[str, dict[str, int]]) -> list[Figure]:
    order = (Verdict.ALLOW, Verdict.REVIEW, Verdict.TAKEDOWN)
    return [
        Figure(
            label=f"{truth}: verdicts",
            value=" / ".join(str(counts[verdict]) for verdict in order),
            meaning="allowed / sent to review / taken down",
        )
        for truth, counts in verdicts.items()
    ]


def _charts(judged: Sequence[JudgedListing]) -> list[Chart]:
    said, truth = [each.probability for each in judged], [each.infringing for each in judged]
    points = open_set_curve([_INFRINGING] * len(said), said, [_INFRINGING if fake else None for fake in truth])
    bins = reliability(said, truth)
    return [
        Chart(
            title="Precision and recall",
            svg=curve(
                np.r_[0.0, points.recall],
                np.r_[points.precision[0], points.precision],
                x_label="recall: counterfeits found",
                y_label="precision: right when flagged",
            ),
            caption="Each point is a threshold on the probability. To the right more counterfeits are found, and more "
            "honest listings are flagged.",
        ),
        Chart(
            title="Does it come true?",
            svg=curve(
                np.array([one.said for one in bins]),
                np.array([one.true for one in bins]),
                x_label="probability, on average",
                y_label="share that is counterfeit",
            ),
            caption=f"Listings in {len(bins)} parts of equal size by probability. On the diagonal it comes true.",
        ),
        Chart(
            title="Listings by probability",
            svg=histogram(
                {
                    "wrong": [each.probability for each in judged if each.infringing],
                    "right": [each.probability for each in judged if not each.infringing],
                },
                x_label="probability of a counterfeit",
            ),
            caption="Red: counterfeits; green: honest listings.",
        ),
    ]


def _failure(each: JudgedListing) -> Failure:
    return Failure(
        listing_id=each.listing_id,
        photo=each.images[0] if each.images else None,
        truth="counterfeit" if each.infringing else "honest",
        answer=str(each.verdict),
        score=each.probability,
        note="; ".join(reason.text for reason in each.reasons[:_REASONS_SHOWN]),
    )
