"""Metrics against examples worked out by hand, and against scikit-learn where it defines the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score, top_k_accuracy_score

from training.metrics import (
    box_hit_rate,
    class_figures,
    macro_f1,
    open_set_curve,
    precision_at_fpr,
    recall_at_fpr,
    roc_auc,
    threshold_at_fpr,
    top_k_accuracy,
    tpr_at_fpr,
)
from vision.regions import Box

POSITIVE = [True, False, True, False]


def test_auc_counts_pairs() -> None:
    """Of the pairs (.9,.8) (.9,.1) (.4,.8) (.4,.1) three are in order: 0.75."""
    assert roc_auc([0.9, 0.8, 0.4, 0.1], POSITIVE) == 0.75


def test_auc_gives_half_a_pair_for_a_tie() -> None:
    """All scores alike tell nothing: 0.5."""
    assert roc_auc([1.0, 1.0, 1.0, 1.0], POSITIVE) == 0.5


def test_auc_is_that_of_scikit_learn() -> None:
    """On random scores with ties the area equals scikit-learn's."""
    generator = np.random.default_rng(0)
    scores, positive = generator.integers(0, 20, 500).astype(float), generator.random(500) < 0.3

    assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


@pytest.mark.parametrize("positive", [[True, True], [False, False]])
def test_auc_needs_both_classes(positive: list[bool]) -> None:
    """With one class only there is no area, and the error says how many there are of each."""
    with pytest.raises(ValueError, match="needs positives and negatives"):
        roc_auc([0.1, 0.2], positive)


@pytest.mark.parametrize(("fpr", "threshold"), [(0.0, 4.0), (0.24, 4.0), (0.25, 3.0), (0.5, 2.0), (1.0, -math.inf)])
def test_threshold_lets_the_floor_of_the_rate_through(fpr: float, threshold: float) -> None:
    """Of four negatives floor(4 fpr) are above the threshold, which is the next one's score."""
    assert threshold_at_fpr([1.0, 4.0, 2.0, 3.0], fpr=fpr) == threshold


def test_threshold_is_not_fooled_by_floats() -> None:
    """29% of 100 negatives are 29, though 0.29 x 100 is 28.999... in floats."""
    assert threshold_at_fpr(np.arange(100.0), fpr=0.29) == 70.0


def test_tpr_counts_positives_strictly_above() -> None:
    """At 0 of 2 negatives the threshold is .8: of the positives .9 and .8 only .9 is above."""
    assert tpr_at_fpr([0.9, 0.8, 0.8, 0.1], POSITIVE, fpr=0.49) == 0.5


def test_tpr_with_one_negative_let_through() -> None:
    """At 1 of 2 negatives the threshold is .1, and both positives are above it."""
    assert tpr_at_fpr([0.9, 0.8, 0.4, 0.1], POSITIVE, fpr=0.5) == 1.0


def test_tied_negatives_let_none_of_their_ties_through() -> None:
    """Where two negatives tie at the threshold, no positive with that score is detected."""
    assert tpr_at_fpr([0.7, 0.7, 0.7, 0.1], [False, False, True, True], fpr=0.5) == 0.0


def test_precision_counts_all_above_the_threshold() -> None:
    """One negative let through beside two positives: 2 of 3."""
    assert precision_at_fpr([0.9, 0.8, 0.4, 0.1], POSITIVE, fpr=0.5) == pytest.approx(2 / 3)


def test_precision_of_nothing_is_nought() -> None:
    """When nothing is above the threshold nothing was found, and no credit is given."""
    assert precision_at_fpr([0.1, 0.8, 0.1, 0.8], POSITIVE, fpr=0.0) == 0.0


def test_recall_of_open_set_retrieval() -> None:
    """Threshold .5, 1 of 2 negatives through: one positive is right, one wrong, one below, one unanswered."""
    truths = ["nike", "nike", "puma", "puma", None, None]
    answers = ["nike", "puma", "puma", None, "nike", "puma"]
    scores = [0.9, 0.9, 0.4, 0.9, 0.6, 0.5]

    assert recall_at_fpr(answers, scores, truths, fpr=0.5) == 0.25


def test_an_unanswered_negative_is_held_back() -> None:
    """A negative without an answer does not raise the threshold, whatever its score."""
    assert recall_at_fpr(["nike", None], [0.1, 0.9], ["nike", None], fpr=0.0) == 1.0


def test_recall_without_positives_is_unknown() -> None:
    """Without positives there is nothing to recall."""
    assert math.isnan(recall_at_fpr(["nike"], [0.1], [None], fpr=0.01))


def test_top_k_counts_ties_against_the_system() -> None:
    """Row 1: class 0 best; row 2: class 2 second; row 3: all alike, so that the true class may be last."""
    scores = [[0.7, 0.2, 0.1], [0.6, 0.1, 0.3], [0.3, 0.3, 0.3]]

    shares = [top_k_accuracy(scores, [0, 2, 1], k=k) for k in (1, 2, 3)]

    assert shares == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]


def test_top_k_is_that_of_scikit_learn() -> None:
    """Without ties the share equals scikit-learn's."""
    generator = np.random.default_rng(1)
    scores, labels = generator.random((200, 7)), generator.integers(0, 7, 200)

    ours, theirs = top_k_accuracy(scores, labels, k=3), top_k_accuracy_score(labels, scores, k=3, labels=range(7))

    assert ours == pytest.approx(theirs)


def test_macro_f1_by_hand() -> None:
    """a: 1 hit, named 3 times: 2/3; b: 1 hit, named 3 times: 2/3; c: never hit: 0."""
    assert macro_f1(["a", "b", "b", None], ["a", "a", "b", "c"]) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)


def test_macro_f1_is_that_of_scikit_learn() -> None:
    """On random answers, with a class that is never right, the mean equals scikit-learn's."""
    generator = np.random.default_rng(2)
    truths = [str(label) for label in generator.integers(0, 5, 300)]
    answers = [str(label) for label in generator.integers(0, 6, 300)]

    assert macro_f1(answers, truths) == pytest.approx(f1_score(truths, answers, average="macro", zero_division=0))


def test_box_hits_count_centres() -> None:
    """Centre inside, centre outside, no box at all; the query without labelled boxes is left out: 1 of 3."""
    labelled = [Box(0.0, 0.0, 0.5, 0.5)]
    inside, outside = Box(0.1, 0.1, 0.3, 0.3), Box(0.6, 0.6, 0.9, 0.9)

    rate = box_hit_rate([inside, outside, None, inside], [labelled, labelled, labelled, []])

    assert rate == pytest.approx(1 / 3)


def test_box_hits_are_unknown_without_labels() -> None:
    """Without any labelled box there is no rate."""
    assert box_hit_rate([Box(0.0, 0.0, 1.0, 1.0)], [[]]) is None


@pytest.mark.parametrize(("scores", "positive"), [([0.1], POSITIVE), ([math.nan, 0.1, 0.1, 0.1], POSITIVE)])
def test_unusable_scores_are_refused(scores: list[float], positive: list[bool]) -> None:
    """Lists of different lengths, and scores that are no numbers, are refused rather than counted."""
    with pytest.raises(ValueError, match=r"same length|nan"):
        roc_auc(scores, positive)


def test_an_open_set_curve_follows_every_threshold() -> None:
    """Right at .9, a negative at .8, wrong at .7, right at .6, one without an answer: worked out by hand."""
    curve = open_set_curve(["a", "x", "x", "b", None], [0.9, 0.8, 0.7, 0.6, -1.0], ["a", None, "b", "b", "c"])

    assert curve.thresholds.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curve.recall.tolist() == [0.25, 0.25, 0.25, 0.5]
    assert curve.fpr.tolist() == [0.0, 1.0, 1.0, 1.0]
    assert curve.precision.tolist() == [1.0, 1 / 2, 1 / 3, 2 / 4]


def test_tied_answers_pass_a_threshold_of_the_curve_together() -> None:
    """A right answer with the score of a false alarm is found at the cost of that alarm only."""
    curve = open_set_curve(["a", "x", "a"], [0.5, 0.5, 0.4], ["a", None, "a"])

    assert curve.thresholds.tolist() == [0.5, 0.4]
    assert (curve.recall[0], curve.fpr[0], curve.precision[0]) == (0.5, 1.0, 0.5)


def test_a_curve_agrees_with_the_recall_at_a_rate() -> None:
    """The curve's recall just above the threshold of 1% false positives is `recall_at_fpr`."""
    generator = np.random.default_rng(3)
    truths = [None if number < 200 else "ab"[number % 2] for number in range(400)]
    answers = ["ab"[place] for place in generator.integers(0, 2, 400)]
    scores = generator.random(400) + [0.3 * (answer == truth) for answer, truth in zip(answers, truths, strict=True)]

    curve = open_set_curve(answers, scores, truths)

    above = curve.recall[curve.thresholds > threshold_at_fpr(scores[:200], fpr=0.01)]
    assert above[-1] == recall_at_fpr(answers, scores, truths, fpr=0.01)


def test_a_curve_without_negatives_has_no_rate() -> None:
    """Precision and recall stand without negatives; the false positive rate does not."""
    curve = open_set_curve(["a", "b"], [0.5, 0.4], ["a", "a"])

    assert curve.precision.tolist() == [1.0, 0.5]
    assert np.isnan(curve.fpr).all()


def test_a_curve_needs_positives() -> None:
    """Without any brand to find there is no recall."""
    with pytest.raises(ValueError, match="needs positives"):
        open_set_curve(["a"], [0.5], [None])


def test_class_figures_count_hits_answers_and_confusions() -> None:
    """Of three a's one is found, two are called b, and a photo of nothing is called a as well."""
    figures = {each.name: each for each in class_figures(["a", "b", "b", "b", "a"], ["a", "a", "a", "b", None])}

    assert (figures["a"].n, figures["a"].recall, figures["a"].precision) == (3, 1 / 3, 1 / 2)
    assert figures["a"].confused_with == ("b", 2)
    assert (figures["b"].n, figures["b"].recall, figures["b"].precision) == (1, 1.0, 1 / 3)
    assert figures["b"].confused_with is None


def test_a_class_never_answered_has_no_precision() -> None:
    """No answer is a confusion of its own, and there is no share of nothing."""
    (figures,) = class_figures([None], ["a"])

    assert (figures.recall, figures.confused_with) == (0.0, (None, 1))
    assert math.isnan(figures.precision)
