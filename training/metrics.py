"""How good are these answers? Metrics as pure numpy, small enough to be checked by hand.

Every evaluation of `training` reduces its predictions with these, and a file of predictions can be scored again with
them. Larger scores mean "more likely positive". Ties count against the system: what cannot be told from a negative is
not detected. `positive` is bool [n]; `scores` are float [n], finite or -inf for "no answer".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vision.regions import Box

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float:
    """Return the share of (positive, negative) pairs in which the positive scores higher; a tie is half a pair.

    The area under the receiver operating characteristic, as Mann-Whitney's U. Needs one of each; raises ValueError.
    """
    values, truth = _aligned(scores, positive)
    positives, negatives = values[truth], np.sort(values[~truth])
    if not len(positives) or not len(negatives):
        raise ValueError(f"AUC needs positives and negatives; there are {len(positives)} and {len(negatives)}.")
    below = np.searchsorted(negatives, positives, side="left")
    not_above = np.searchsorted(negatives, positives, side="right")
    return float((below + not_above).sum() / (2 * len(positives) * len(negatives)))


def threshold_at_fpr(negative_scores: ArrayLike, *, fpr: float) -> float:
    """Return the lowest threshold that at most floor(fpr N) of the N negatives exceed; "above" is strict.

    It is the score of the first negative that must be held back; -inf when none must.
    """
    if not 0.0 <= fpr <= 1.0:
        raise ValueError(f"The false positive rate {fpr} must lie between 0 and 1.")
    descending = -np.sort(-np.asarray(negative_scores, dtype=np.float64))
    let_through = math.floor(fpr * len(descending) + 1e-9)  # 0.29 x 100 is 28.999... in floats
    return float(descending[let_through]) if let_through < len(descending) else -math.inf


def tpr_at_fpr(scores: ArrayLike, positive: ArrayLike, *, fpr: float) -> float:
    """Return the share of positives above the threshold that lets floor(fpr N) negatives through; nan without any."""
    values, truth = _aligned(scores, positive)
    above = values > threshold_at_fpr(values[~truth], fpr=fpr)
    return float(above[truth].mean()) if truth.any() else math.nan


def precision_at_fpr(scores: ArrayLike, positive: ArrayLike, *, fpr: float) -> float:
    """Return the share of positives among all that is above that threshold; 0 when nothing is."""
    values, truth = _aligned(scores, positive)
    above = values > threshold_at_fpr(values[~truth], fpr=fpr)
    return float(truth[above].mean()) if above.any() else 0.0


def recall_at_fpr(
    answers: Sequence[str | None], scores: ArrayLike, truths: Sequence[str | None], *, fpr: float
) -> float:
    """Return the recall of open-set retrieval: the share of positives answered rightly above the threshold.

    A truth of None is a negative: a query that shows no known brand. The threshold lets at most floor(fpr N) of the N
    negatives through, whatever brand they were taken for; a wrong brand above it is a miss. An answer of None scores
    nothing. nan without positives.
    """
    positive = np.array([truth is not None for truth in truths], dtype=bool)
    values, _ = _aligned(scores, positive)
    answered = np.array([answer is not None for answer in answers], dtype=bool)
    values = np.where(answered, values, -math.inf)
    right = np.array([answer == truth for answer, truth in zip(answers, truths, strict=True)], dtype=bool)
    found = answered & right & (values > threshold_at_fpr(values[~positive], fpr=fpr))
    return float(found[positive].mean()) if positive.any() else math.nan


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenSetCurve:
    """What open-set retrieval gives at each threshold, highest first; float64 arrays of one length.

    `recall` is the share of positives answered rightly at or above it, `fpr` the share of negatives at or above it
    (nan without negatives), `precision` the share of right answers among all answers at or above it.
    """

    thresholds: FloatArray
    fpr: FloatArray
    recall: FloatArray
    precision: FloatArray


def open_set_curve(answers: Sequence[str | None], scores: ArrayLike, truths: Sequence[str | None]) -> OpenSetCurve:
    """Return the curve over every score that was given, for answers and truths as in `recall_at_fpr`.

    Empty without answers; raises ValueError without positives.
    """
    positive = np.array([truth is not None for truth in truths], dtype=bool)
    values, _ = _aligned(scores, positive)
    if not positive.any():
        raise ValueError("A curve needs positives; no query shows a known brand.")
    answered = np.array([answer is not None for answer in answers], dtype=bool)
    right = answered & np.array([answer == truth for answer, truth in zip(answers, truths, strict=True)], dtype=bool)
    order = np.argsort(-values[answered], kind="stable")
    descending = values[answered][order]
    last = np.flatnonzero(np.diff(descending, append=-math.inf))  # tied answers pass a threshold together
    hits, alarms = np.cumsum(right[answered][order])[last], np.cumsum(~positive[answered][order])[last]
    negatives = int((~positive).sum())
    return OpenSetCurve(
        thresholds=descending[last],
        fpr=alarms / negatives if negatives else np.full(len(last), math.nan),
        recall=hits / positive.sum(),
        precision=hits / (last + 1),
    )


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """How one class fares: of `n` queries that show it `hits` were answered with it, as were `answered` in all.

    `confused_with` is the commonest wrong answer to its queries and how often it came (None for "no answer"); None
    when there was no wrong answer.
    """

    name: str
    n: int
    hits: int
    answered: int
    confused_with: tuple[str | None, int] | None

    @property
    def recall(self) -> float:
        """Share of its queries that were answered with it; nan without queries."""
        return self.hits / self.n if self.n else math.nan

    @property
    def precision(self) -> float:
        """Share of its answers that were right; nan when it was never answered."""
        return self.hits / self.answered if self.answered else math.nan


def class_figures(answers: Sequence[str | None], truths: Sequence[str | None]) -> list[ClassFigures]:
    """Return the figures of every class that occurs in truths or answers, by name. A truth of None shows no class."""
    pairs = list(zip(answers, truths, strict=True))
    found = []
    for name in sorted({name for name in (*answers, *truths) if name is not None}):
        own = [answer for answer, truth in pairs if truth == name]
        wrong = Counter(answer for answer in own if answer != name).most_common(1)
        found.append(
            ClassFigures(
                name=name,
                n=len(own),
                hits=own.count(name),
                answered=sum(answer == name for answer in answers),
                confused_with=wrong[0] if wrong else None,
            )
        )
    return found


def top_k_accuracy(scores: ArrayLike, labels: ArrayLike, *, k: int) -> float:
    """Return the share of rows whose true class is among the k best.

    `scores` float [n, classes]; `labels` int [n]. A class tied with the true one counts as better. nan without rows.
    """
    table, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if k < 1:
        raise ValueError(f"k is {k}; give 1 or more.")
    if not len(truth):
        return math.nan
    own = table[np.arange(len(truth)), truth]
    return float(((table >= own[:, None]).sum(axis=1) <= k).mean())


def macro_f1(answers: Sequence[str | None], truths: Sequence[str]) -> float:
    """Return the mean over classes of F1 = 2 TP / (2 TP + FP + FN), over classes that occur in truths or answers.

    An answer of None is a miss of its class and no class of its own. nan without rows.
    """
    classes = sorted({name for name in (*answers, *truths) if name is not None})
    if not classes:
        return math.nan
    pairs = list(zip(answers, truths, strict=True))
    scores = []
    for name in classes:
        hits = sum(answer == name and truth == name for answer, truth in pairs)
        named = sum((answer == name) + (truth == name) for answer, truth in pairs)
        scores.append(2 * hits / named)
    return math.fsum(scores) / len(scores)


def box_hit_rate(boxes: Sequence[Box | None], labelled: Sequence[Sequence[Box]]) -> float | None:
    """Return the share of boxes whose centre lies in a labelled box of the same query; edges belong to the box.

    Give it the correct answers only. Queries without labelled boxes are left out; an answer without a box is a miss.
    None when no query has labelled boxes.
    """
    hits = [
        box is not None and any(_contains(truth, box.centre) for truth in truths)
        for box, truths in zip(boxes, labelled, strict=True)
        if truths
    ]
    return sum(hits) / len(hits) if hits else None


def _contains(box: Box, point: tuple[float, float]) -> bool:
    return box.x1 <= point[0] <= box.x2 and box.y1 <= point[1] <= box.y2


def _aligned(scores: ArrayLike, positive: ArrayLike) -> tuple[FloatArray, BoolArray]:
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    if values.shape != truth.shape or values.ndim != 1:
        raise ValueError(f"Scores {values.shape} and labels {truth.shape} must be lists of the same length.")
    if np.isnan(values).any():
        raise ValueError("A score is nan; give a number, or -inf for no answer.")
    return values, truth
