"""The stability index: worked by hand, and no alarm where only chance is at work."""

from __future__ import annotations

import math

import numpy as np
import pytest

from index.shift import SCORE_EDGES, shift


def test_index_is_the_formula() -> None:
    """Two bins, counted by hand with half a value added to each."""
    found = shift((0.0, 0.5, 1.0), (9, 1), (4, 6))
    old, new = (9.5 / 11, 1.5 / 11), (4.5 / 11, 6.5 / 11)
    by_hand = sum((q - p) * math.log(q / p) for p, q in zip(old, new, strict=True))

    assert found.psi == pytest.approx(by_hand)
    assert found.by_chance == pytest.approx(0.2 * 3.841459, rel=1e-5)
    assert found.drifted


def test_nothing_is_no_shift() -> None:
    """Without a reference, without a window, or with all values in one bin nothing can have shifted."""
    edges = (0.0, 0.5, 1.0)

    assert not any(
        shift(edges, before, now).psi for before, now in (((0, 0), (5, 5)), ((5, 5), (0, 0)), ((9, 0), (3, 0)))
    )


def test_chance_is_seldom_taken_for_drift() -> None:
    """Of 400 pairs of samples of one distribution about one in twenty exceeds the bound, and a real shift does."""
    random = np.random.default_rng(3)
    inner = SCORE_EDGES[1:-1]

    def histogram(values: np.ndarray) -> tuple[int, ...]:
        return tuple(np.bincount(np.searchsorted(inner, values, side="right"), minlength=len(inner) + 1).tolist())

    pairs = [(histogram(random.beta(1, 3, 900)), histogram(random.beta(1, 3, 300))) for _ in range(400)]
    beyond = sum(found.psi > found.by_chance for found in (shift(SCORE_EDGES, *pair) for pair in pairs))
    moved = shift(SCORE_EDGES, histogram(random.beta(1, 3, 900)), histogram(random.beta(2, 3, 300)))

    assert beyond <= 0.09 * 400
    assert moved.drifted
