"""What should a person see of a category evaluation? Turns labelled answers into the page of `eval categories`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.metrics import class_figures, open_set_curve
from training.report_charts import curve, histogram
from training.report_page import (
    FAILURES_SHOWN,
    Chart,
    ClassRow,
    Confusion,
    Failure,
    FailureSheet,
    Figure,
    Page,
    share,
    write_page,
)

# More categories than this make a matrix that nobody can read: those with most errors are shown.
_MATRIX_CLASSES = 30


@dataclass(frozen=True, kw_only=True)
class JudgedCategory:
    """One listing with its true category and the answer, None for unknown; `score` is the best category's, 0..1."""

    listing_id: str
    images: tuple[Path, ...]
    truth: str
    answer: str | None
    score: float

    @property
    def right(self) -> bool:
        """Whether the answer is the true category."""
        return self.answer == self.truth


def write_category_report(
    path: Path, judged: Sequence[JudgedCategory], *, top1: float, top5: float, macro_f1: float, model: str
) -> None:
    """Write the page of `eval categories` to `path`; the figures are those of `CategoryReport`, shares of 0..1."""
    unknown = sum(each.answer is None for each in judged)
    page = Page(
        title="touchstone eval categories",
        summary=f"Model {model}. Every photo was embedded and classified as screening does it.",
        what="category",
        figures=[
            Figure(label="listings", value=f"{len(judged):,}", meaning="with a labelled category"),
            Figure(label="top 1", value=share(top1), meaning="share of listings whose first answer is right"),
            Figure(label="top 5", value=share(top5), meaning="share with the right category among the first five"),
            Figure(
                label="macro F1", value=share(macro_f1), meaning="mean of the F1 of all categories, rare ones alike"
            ),
            Figure(label="unknown", value=f"{unknown:,}", meaning="listings that were not answered: too unfamiliar"),
        ],
        charts=_charts(judged),
        classes=_classes(judged),
        sheets=_sheets(judged),
        confusion=confusion(judged),
    )
    write_page(path, page)


def confusion(judged: Sequence[JudgedCategory]) -> Confusion:
    """Count what was answered for what; of more than 30 categories, for those with most errors."""
    errors = Counter(each.truth for each in judged if not each.right)
    truths = sorted({each.truth for each in judged})
    names = sorted(sorted(truths, key=lambda name: -errors[name])[:_MATRIX_CLASSES])
    pairs = Counter((each.truth, each.answer if each.answer in names else None) for each in judged)
    return Confusion(names=names, counts=[[pairs[truth, answer] for answer in (*names, None)] for truth in names])


def _charts(judged: Sequence[JudgedCategory]) -> list[Chart]:
    groups = {
        "right": [each.score for each in judged if each.right],
        "wrong": [each.score for each in judged if each.answer is not None and not each.right],
    }
    bars = Chart(
        title="Answers by probability",
        svg=histogram(groups, x_label="probability of the answer"),
        caption="Green: right; red: wrong. What is unsure should be wrong more often, and what is sure hardly ever.",
    )
    points = open_set_curve(
        [each.answer for each in judged], [each.score for each in judged], [each.truth for each in judged]
    )
    if not len(points.recall):
        return [bars]
    line = curve(
        np.r_[0.0, points.recall],
        np.r_[points.precision[0], points.precision],
        x_label="recall: listings answered rightly",
        y_label="precision: answers right",
    )
    caption = "Each point is a threshold: to the right more is answered, and more of it wrong."
    return [Chart(title="Precision and recall", svg=line, caption=caption), bars]


def _classes(judged: Sequence[JudgedCategory]) -> list[ClassRow]:
    rows = [
        ClassRow(
            name=each.name,
            n=each.n,
            recall=each.recall,
            recall_above=None,
            precision=each.precision,
            confused_with=f"{each.confused_with[0] or 'unknown'} ({each.confused_with[1]}×)"
            if each.confused_with
            else "",
        )
        for each in class_figures([each.answer for each in judged], [each.truth for each in judged])
        if each.n
    ]
    return sorted(rows, key=lambda row: (row.recall, row.name))


def _sheets(judged: Sequence[JudgedCategory]) -> list[FailureSheet]:
    wrong = sorted(
        (each for each in judged if each.answer is not None and not each.right), key=lambda each: -each.score
    )
    missed = sorted((each for each in judged if each.answer is None), key=lambda each: each.score)
    most_missed = min(len(missed), max(FAILURES_SHOWN // 4, FAILURES_SHOWN - len(wrong)))
    return [
        FailureSheet(
            title="Wrong",
            meaning="Another category was answered; surest first.",
            total=len(wrong),
            failures=[_failure(each) for each in wrong[: FAILURES_SHOWN - most_missed]],
        ),
        FailureSheet(
            title="Unknown",
            meaning="No category was answered because the product looked unfamiliar.",
            total=len(missed),
            failures=[_failure(each) for each in missed[:most_missed]],
        ),
    ]


def _failure(each: JudgedCategory) -> Failure:
    return Failure(
        listing_id=each.listing_id,
        photo=each.images[0] if each.images else None,
        truth=each.truth,
        answer=each.answer or "unknown",
        score=each.score,
    )
