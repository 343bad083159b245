"""Trees without their library: the same answers, and contributions that are Shapley values by brute force."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.features import FEATURES
from serving.trees import Trees
from training.fusion_terms import grow_trees, leaves_of

FloatArray = NDArray[np.float64]
WIDTH = len(FEATURES)


def _grown() -> tuple[Any, Trees]:
    """Grow trees on labels that hang on products of features, so that the contributions interact."""
    random = np.random.default_rng(7)
    x = random.uniform(0, 1, (3000, WIDTH)) * (random.random((3000, WIDTH)) < 0.6)
    score = 3 * x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] - 2 * x[:, 4] * x[:, 5] + x[:, 9]
    infringing = score + random.normal(0, 0.3, 3000) > 1.0
    booster = grow_trees(x, infringing, margin=np.zeros(3000), rounds=40)
    trees = leaves_of(booster)
    assert trees is not None
    return booster, trees


BOOSTER, TREES = _grown()
NUMBERS = st.lists(st.one_of(st.just(0.0), st.floats(0, 2)), min_size=WIDTH, max_size=WIDTH)


def _answer(rows: FloatArray) -> FloatArray:
    answer: FloatArray = BOOSTER.predict(rows, raw_score=True, num_threads=1)
    return answer


def _shapley(numbers: list[float]) -> FloatArray:
    """Average over all orders what each feature adds when it is taken from nothing to its number: by definition."""
    x = np.array(numbers)
    known = [feature for feature in range(WIDTH) if x[feature] != 0]
    coalitions = [frozenset(some) for size in range(len(known) + 1) for some in combinations(known, size)]
    rows = np.array([[x[f] if f in some else 0.0 for f in range(WIDTH)] for some in coalitions])
    worth = dict(zip(coalitions, _answer(rows), strict=True))
    found = np.zeros(WIDTH)
    for feature in known:
        for some in coalitions:
            if feature not in some:
                share = 1 / (len(known) * math.comb(len(known) - 1, len(some)))
                found[feature] += share * (worth[some | {feature}] - worth[some])
    return found


@given(numbers=NUMBERS)
@settings(max_examples=60, deadline=None)
def test_contributions_sum_to_what_the_library_answers(numbers: list[float]) -> None:
    """Baseline and contributions together are LightGBM's own log-odds."""
    answer = TREES.baseline + TREES.contributions(numbers).sum()

    assert answer == pytest.approx(float(_answer(np.array([numbers]))[0]), abs=1e-9)


@given(numbers=st.lists(st.sampled_from([0.0, 0.0, 0.3, 0.8]), min_size=WIDTH, max_size=WIDTH))
@settings(max_examples=15, deadline=None)
def test_contributions_are_shapley_values(numbers: list[float]) -> None:
    """What each feature is given is its average effect over all orders in which the listing becomes known."""
    known = [number if place < 9 else 0.0 for place, number in enumerate(numbers)]

    assert TREES.contributions(known) == pytest.approx(_shapley(known), abs=1e-9)


@given(numbers=NUMBERS)
@settings(max_examples=60, deadline=None)
def test_no_contribution_goes_against_its_direction(numbers: list[float]) -> None:
    """What is there never speaks the other way, and what is not there says nothing at all."""
    for feature, number, share in zip(FEATURES, numbers, TREES.contributions(numbers), strict=True):
        assert share * feature.direction >= -1e-9
        assert number != 0.0 or share == 0.0


def test_leaves_that_contradict_themselves_are_refused() -> None:
    """A leaf whose bounds leave nothing between them, or without a value, is no leaf."""
    low, high = np.zeros((1, 2)), np.ones((1, 2))

    for lower, upper, values in ((high, low, [1.0]), (low, high, [math.nan]), (low, high, [1.0, 2.0])):
        with pytest.raises(ValueError, match=r"bound|differ"):
            Trees(lower=lower, upper=upper, values=np.array(values))
