"""How sure is a linear classifier? Softmax, log loss, and the temperature that makes its probabilities honest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn logits [n, labels] into probabilities [n, labels]; rows sum to 1, whatever the logits' size."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    probabilities: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return probabilities


def log_loss(logits: NDArray[np.floating], targets: NDArray[np.int64], *, doubt: float = 0.0) -> float:
    """Average minus log of the probability that logits [n, labels] give to the true labels, targets [n].

    `doubt` is the share, 0..1, that a target spreads evenly over all labels instead.
    """
    logs = np.log(np.maximum(softmax(logits), 1e-12))
    true = logs[np.arange(len(targets)), targets].mean()
    return float(-(1 - doubt) * true - doubt * logs.mean())


def calibrate(logits: NDArray[np.floating], targets: NDArray[np.int64]) -> float:
    """Find the temperature of the least log loss (Guo et al. 2017, "On calibration of modern neural networks").

    One parameter, so a grid does: 0.001 to 100 in steps of 12%. A doubt of 1 in n + 2 (Platt 1999) keeps n examples
    that all came out right from promising certainty.
    """
    grid = np.geomspace(1e-3, 1e2, 101)
    doubt = 1 / (len(targets) + 2)
    return float(min(grid, key=lambda temperature: log_loss(logits / temperature, targets, doubt=doubt)))
