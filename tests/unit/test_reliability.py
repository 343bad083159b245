"""Metrics of probabilities, checked by hand."""

from __future__ import annotations

import math

import pytest

from training.reliability import brier, expected_calibration_error, log_loss, recall_at_precision, reliability

SAID = [0.1, 0.2, 0.8, 0.9]
TRUE = [False, True, True, True]


def test_log_loss_and_brier_by_hand() -> None:
    """Each is the mean over four listings of what their probability costs."""
    assert log_loss(SAID, TRUE) == pytest.approx(-(2 * math.log(0.9) + math.log(0.2) + math.log(0.8)) / 4)
    assert brier(SAID, TRUE) == pytest.approx((0.01 + 0.64 + 0.04 + 0.01) / 4)


def test_certain_and_wrong_is_dear_but_finite() -> None:
    """One certain mistake does not hide all others."""
    assert log_loss([0.0, 1.0], [True, True]) == pytest.approx(-math.log(1e-12) / 2)


def test_bins_are_of_equal_size_in_order_of_probability() -> None:
    """Two bins of four listings hold the two least and the two most probable ones."""
    low, high = reliability([0.9, 0.1, 0.8, 0.2], [True, False, True, True], bins=2)

    assert (low.n, low.true, high.n, high.true) == (2, 0.5, 2, 1.0)
    assert (low.said, high.said) == pytest.approx((0.15, 0.85))
    assert expected_calibration_error(SAID, TRUE, bins=2) == pytest.approx((0.35 + 0.15) / 2)


def test_fewer_listings_than_bins_are_a_bin_each() -> None:
    """No bin is empty."""
    assert [one.n for one in reliability(SAID, TRUE)] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("scores", "truth", "precision", "recall"),
    [
        ([4, 3, 2, 1], [True, True, False, True], 0.9, 2 / 3),
        ([4, 3, 2, 1], [True, True, False, True], 0.75, 1.0),
        ([4, 3, 2, 1], [False, True, True, True], 0.9, 0.0),  # the best-scored is wrong
        ([2, 2, 2, 1], [True, True, False, True], 0.9, 0.0),  # tied listings pass together
        ([5, 4, 3, 2, 1], [True, False, True, True, True], 0.75, 1.0),  # a later threshold may be precise again
    ],
)
def test_recall_at_precision_by_hand(scores: list[float], truth: list[bool], precision: float, recall: float) -> None:
    """The greatest recall of any threshold that is precise enough."""
    assert recall_at_precision(scores, truth, precision=precision) == pytest.approx(recall)


@pytest.mark.parametrize(("said", "truth"), [([], []), ([0.5], [True, False]), ([math.nan], [True])])
def test_what_is_no_list_of_probabilities_is_refused(said: list[float], truth: list[bool]) -> None:
    """Empty lists, lists of different lengths and nan give no figure."""
    with pytest.raises(ValueError, match=r"same length|nan"):
        brier(said, truth)
