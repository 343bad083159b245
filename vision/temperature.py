"""How sure is a linear classifier? Softmax, log loss, and the temperature that makes its probabilities honest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn logits [n, labels] into probabilities [n, labels]; rows sum to 1, whatever the logits' size."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    probabilities: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return probabilities


def log_loss(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """Average minus log of the probability that logits [n, labels] give to the true labels, targets [n]."""
    probabilities = softmax(logits)[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(probabilities, 1e-12)).mean())


def calibrate(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """Find the temperature of the least log loss (Guo et al. 2017, "On calibration of modern neural networks").

    One parameter, so a grid does: 0.001 to 100 in steps of 12%.
    """
    grid = np.geomspace(1e-3, 1e2, 101)
    return float(min(grid, key=lambda temperature: log_loss(logits / temperature, targets)))
