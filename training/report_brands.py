"""What should a person see of a brand evaluation? Turns judged queries into the page of `eval brands` or `marks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from training.asking import Judged
from training.metrics import OpenSetCurve, class_figures, open_set_curve, threshold_at_fpr
from training.report_charts import curve, histogram
from training.report_page import (
    FAILURES_SHOWN,
    Chart,
    ClassRow,
    Failure,
    FailureSheet,
    Figure,
    Page,
    share,
    spread,
    write_page,
)

_FPR = 0.01
_ROC_TO = 0.2  # beyond one false alarm in five nobody would run it

_MEANINGS = {
    "top1": ("top 1", "share of branded photos whose first answer is the right brand, however unsure"),
    "top5": ("top 5", "share of branded photos with the right brand among the first five"),
    "recall_at_fpr_1pct": (
        "recall at 1% false alarms",
        "share of branded photos answered rightly above a threshold that 1% of the others pass",
    ),
    "box_hit_rate": ("box hit rate", "share of right answers whose box has its centre in a labelled box"),
    "queries": ("queries", "photos searched"),
    "n": ("photos with a mark", "each shows one mark of a brand never trained on"),
    "brands": ("brands", "held-out brands whose marks were drawn"),
    "positives": ("with a brand", "photos that show a known brand"),
    "negatives": ("without a brand", "photos that show none: “no brand” is the right answer"),
    "references": ("references", "pictures that were searched"),
    "forwards_per_image": ("forwards per photo", "cost: whole-image passes through the network"),
    "ms_per_image_p50": ("ms per photo", "median time to screen one photo on this machine"),
}
_SHARES = frozenset({"top1", "top5", "recall_at_fpr_1pct", "box_hit_rate"})


def write_brand_report(
    path: Path, command: str, figures: Any, judged: Sequence[Judged], pictures: Mapping[str, bytes]
) -> None:
    """Write the page of `command` to `path`.

    `figures` is the command's report, a frozen dataclass; `pictures` are JPEGs of the references by their ids.
    """
    threshold = threshold_at_fpr([each.score for each in judged if each.truth is None], fpr=_FPR)
    values = asdict(figures)
    page = Page(
        title=f"touchstone {command}",
        summary=f"Model {values['model']}. Every photo went through the screening that is served.",
        what="brand",
        figures=[_figure(name, values[name]) for name in _MEANINGS if name in values],
        charts=_charts(judged, threshold),
        classes=_classes(judged, threshold),
        sheets=failure_sheets(judged, threshold, pictures),
    )
    write_page(path, page)


def failure_sheets(judged: Sequence[Judged], threshold: float, pictures: Mapping[str, bytes]) -> list[FailureSheet]:
    """Sort what went wrong into kinds, worst first, and pick 40 in all.

    Wrong brands and false alarms are the worse the surer the answer was; a missed brand is one that was answered
    rightly but not above `threshold`, or not at all, and is the worse the less sure.
    """
    kinds = _kinds(judged, threshold)
    shown = spread([len(found) for _, _, found in kinds], FAILURES_SHOWN)
    return [
        FailureSheet(
            title=title,
            meaning=meaning,
            total=len(found),
            failures=[_failure(each, threshold, pictures) for each in found[:most]],
        )
        for (title, meaning, found), most in zip(kinds, shown, strict=True)
    ]


def _kinds(judged: Sequence[Judged], threshold: float) -> list[tuple[str, str, list[Judged]]]:
    """Give each kind of failure with its title, what it means, and its queries, worst first."""

    def wrong(each: Judged) -> bool:
        return each.truth is not None and each.answer not in (None, each.truth)

    def missed(each: Judged) -> bool:
        return each.truth is not None and (each.answer is None or (each.right and each.score <= threshold))

    def alarm(each: Judged) -> bool:
        return each.truth is None and each.answer is not None

    return [
        (
            "Taken for another brand",
            "The photo shows a known brand, and a different one was answered; surest first.",
            sorted(filter(wrong, judged), key=lambda each: -each.score),
        ),
        (
            "Missed",
            "The right brand, but less sure than the threshold for 1% false alarms, or no answer; least sure first.",
            sorted(filter(missed, judged), key=lambda each: each.score),
        ),
        (
            "False alarms",
            "The photo shows no known brand, and one was seen; surest first. The worst 1% set the threshold.",
            sorted(filter(alarm, judged), key=lambda each: -each.score),
        ),
    ]


def _figure(name: str, value: Any) -> Figure:
    label, meaning = _MEANINGS[name]
    if value is None or name in _SHARES:
        return Figure(label=label, value=share(value), meaning=meaning)
    digits = 0 if isinstance(value, int) or value >= 100 else 1
    return Figure(label=label, value=f"{value:,.{digits}f}", meaning=meaning)


def _charts(judged: Sequence[Judged], threshold: float) -> list[Chart]:
    groups = {
        "right": [each.score for each in judged if each.right],
        "wrong": [each.score for each in judged if each.truth is not None and each.answer and not each.right],
        "alarm": [each.score for each in judged if each.truth is None and each.answer],
    }
    charts = [
        Chart(
            title="Answers by probability",
            svg=histogram(groups, x_label="probability of the answer"),
            caption="Green: the right brand; red: another brand; grey: photos without a known brand. "
            "The further apart green and the rest, the better “none of these” works.",
        )
    ]
    if not any(each.truth is not None for each in judged):
        return charts
    points = open_set_curve(
        [each.answer for each in judged], [each.score for each in judged], [each.truth for each in judged]
    )
    return [*_curves(points, threshold), *charts] if len(points.recall) else charts


def _curves(points: OpenSetCurve, threshold: float) -> list[Chart]:
    above = int((points.thresholds > threshold).sum()) - 1
    at = float(points.recall[above]) if above >= 0 else 0.0
    charts = [
        Chart(
            title="Precision and recall",
            svg=curve(
                np.r_[0.0, points.recall],
                np.r_[points.precision[0], points.precision],
                x_label="recall: brands found",
                y_label="precision: answers right",
                mark=(at, float(points.precision[above])) if above >= 0 else None,
            ),
            caption="Each point is a threshold. To the right more brands are found, and more answers are wrong. "
            "The dot is the threshold for 1% false alarms.",
        )
    ]
    if np.isnan(points.fpr).any():
        return charts
    roc = Chart(
        title="ROC",
        svg=curve(
            np.r_[0.0, np.repeat(points.fpr, 2)],
            np.r_[0.0, 0.0, np.repeat(points.recall, 2)[:-1]],
            x_label="false alarms: brands seen where there is none",
            y_label="recall: brands found",
            x_max=_ROC_TO,
            mark=(_FPR, at),
        ),
        caption=f"The dot is the headline figure: {at:.3f} of the branded photos at 1% false alarms.",
    )
    return [roc, *charts]


def _classes(judged: Sequence[Judged], threshold: float) -> list[ClassRow]:
    found = class_figures([each.answer for each in judged], [each.truth for each in judged])
    sure = {
        name: np.mean([each.right and each.score > threshold for each in judged if each.truth == name])
        for name in {each.truth for each in judged if each.truth is not None}
    }
    rows = [
        ClassRow(
            name=each.name,
            n=each.n,
            recall=each.recall,
            recall_above=float(sure[each.name]),
            precision=each.precision,
            confused_with=_confusion(each.confused_with),
        )
        for each in found
        if each.n
    ]
    return sorted(rows, key=lambda row: (row.recall, row.recall_above or 0.0, row.name))


def _confusion(found: tuple[str | None, int] | None) -> str:
    if found is None:
        return ""
    name, times = found
    return f"{name or 'no answer'} ({times}×)"


def _failure(each: Judged, threshold: float, pictures: Mapping[str, bytes]) -> Failure:
    best = each.best
    shown = best.image_index if best else 0
    return Failure(
        listing_id=each.listing_id,
        photo=each.images[shown] if shown < len(each.images) else None,
        truth=each.truth or "no known brand",
        answer=each.answer or "none",
        score=best.score if best else None,
        note=_note(each, threshold),
        truth_boxes=each.truth_boxes,
        box=best.box if best else None,
        reference=pictures.get(best.reference_id, b"") if best else b"",
    )


def _note(each: Judged, threshold: float) -> str:
    """Say where the right brand came when it was not first, or what it fell short of."""
    if each.truth is None:
        return ""
    if each.right:
        return f"right, but the threshold is {threshold:.2f}"
    places = [place for place, match in enumerate(each.matches, start=1) if match.brand == each.truth]
    if not places:
        return f"{each.truth} is not among the {len(each.matches)} likeliest" if each.matches else ""
    score = each.matches[places[0] - 1].score
    return f"{each.truth} came in place {places[0]} with {score:.2f}"
