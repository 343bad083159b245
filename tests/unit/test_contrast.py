"""The contrastive loss: partners attract, other marks repel, and a mark never repels itself."""

from __future__ import annotations

import math

import pytest
import torch

from training.contrast import contrast

AXES = torch.eye(4)


def test_a_batch_told_apart_costs_nothing_and_one_mixed_up_much() -> None:
    """Each row's partner stands half a batch away."""
    marks = torch.tensor([1, 2, 1, 2])
    apart, mixed = AXES[[0, 1, 0, 1]], AXES[[0, 1, 1, 0]]

    assert contrast(apart, marks, temperature=0.07) < 1e-5
    assert contrast(mixed, marks, temperature=0.07) > 10


def test_views_alike_cost_a_guess() -> None:
    """Where everything looks the same, the partner is one of three others."""
    loss = contrast(AXES[[0, 0, 0, 0]], torch.tensor([1, 2, 1, 2]), temperature=0.07)

    assert float(loss) == pytest.approx(math.log(3), abs=1e-5)


def test_other_views_of_the_same_mark_do_not_count() -> None:
    """Two pairs of one mark: neither has to keep away from the other."""
    same = torch.tensor([1, 1, 1, 1])

    assert float(contrast(AXES[[0, 1, 2, 3]], same, temperature=0.07)) == pytest.approx(0, abs=1e-6)
