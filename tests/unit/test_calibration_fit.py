"""The fitted curve says how often its signs were right, and its thresholds hold back strangers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from training.calibration_fit import Trial, fit
from vision.calibration import Signs


def searches_of(count: int, *, known: bool, seed: int = 0) -> list[list[Trial]]:
    """Make searches of two brands each: known photos score 0.7 and verify, wrong brands and strangers score 0.5."""
    random = np.random.default_rng(seed)
    searches = []
    for _ in range(count):
        right, wrong = random.normal(0.7 if known else 0.5, 0.1), random.normal(0.5, 0.1)
        strength = float(random.integers(0, 3)) if known else 0.0
        searches.append(
            [
                Trial(Signs(score=right, strength=strength), right=known),
                Trial(Signs(score=wrong), right=False),
            ]
        )
    return searches


def test_curve_is_calibrated_and_uses_every_sign() -> None:
    """Where it says p, the brand is there in a share p of the cases; verification counts for something."""
    searches = searches_of(600, known=True) + searches_of(300, known=False, seed=1)

    curve = fit(searches, known=[True] * 600 + [False] * 300)

    trials = [trial for search in searches for trial in search]
    probabilities = np.array([curve.probability(trial.signs) for trial in trials])
    right = np.array([trial.right for trial in trials])
    assert curve.strength > 0.5
    assert probabilities.mean() == pytest.approx(right.mean(), abs=0.01)
    sure = probabilities > 0.9
    assert right[sure].mean() > 0.9
    assert right[probabilities < 0.1].mean() < 0.1


def test_thresholds_let_no_more_strangers_through_than_asked() -> None:
    """Of 300 photos without a registered brand at most 15, 3 and none pass, and the stricter threshold is higher."""
    strangers = searches_of(300, known=False, seed=1)

    curve = fit(searches_of(300, known=True) + strangers, known=[True] * 300 + [False] * 300)

    best = np.array([max(curve.probability(trial.signs) for trial in search) for search in strangers])
    passed = {rate: int((best >= least).sum()) for rate, least in curve.thresholds.items()}
    assert passed == {0.001: 0, 0.01: 3, 0.05: 15}


def test_a_name_that_is_read_gets_a_weight() -> None:
    """Where reading a brand's name goes with its being there, it counts for something; never read, for nothing."""
    searches = searches_of(200, known=True) + searches_of(100, known=False, seed=1)
    known = [True] * 200 + [False] * 100
    read = [
        [replace(trial, signs=replace(trial.signs, read=0.9 * (trial.right and place % 3 == 0))) for trial in search]
        for place, search in enumerate(searches)
    ]

    assert fit(read, known=known).read > 1
    assert fit(searches, known=known).read == 0


def test_sign_that_speaks_against_gets_no_weight() -> None:
    """A sign that by accident goes with wrong answers is left out rather than held against a match."""
    searches = [
        [Trial(Signs(score=0.8, strength=0.0), right=True), Trial(Signs(score=0.4, strength=2.0), right=False)]
    ] * 20

    curve = fit([*searches, [Trial(Signs(score=0.3, strength=1.0), right=False)]], known=[True] * 20 + [False])

    assert curve.strength == 0
    assert curve.score > 0


@pytest.mark.parametrize("known", [True, False])
def test_one_sided_trials_are_refused(known: bool) -> None:
    """Without photos of both kinds nothing can be said about either."""
    with pytest.raises(ValueError, match="must all occur"):
        fit(searches_of(10, known=known), known=[known] * 10)


def test_model_that_tells_nothing_apart_is_refused() -> None:
    """When wrong answers score higher than right ones there is no curve to ship."""
    searches = [[Trial(Signs(score=0.3), right=True), Trial(Signs(score=0.6), right=False)]] * 10

    with pytest.raises(ValueError, match="cannot tell the marks apart"):
        fit(searches, known=[True] * 5 + [False] * 5)
