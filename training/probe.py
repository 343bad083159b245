"""How is a linear head fitted on embeddings? Multinomial logistic regression, its standardisation folded in.

Fits the heads of `eval categories --train` and the one that ships (`training.fit_category`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vision.category_head import Probe
from vision.errors import TaxonomyError

# Inverse strength of the L2 penalty on standardised features; the best of 0.0003..0.03 on clothing/validation.
STRENGTH = 0.003
_MOST_STEPS = 500


def fit_probe(vectors: NDArray[np.float32], labels: Sequence[str], *, strength: float = STRENGTH) -> Probe:
    """Fit a probe on `vectors`, float32 [n, dim] unit rows, one label each; its labels come out sorted.

    Raises:
        TaxonomyError: fewer than two different labels.

    """
    from sklearn.linear_model import LogisticRegression

    names = sorted(set(labels))
    if len(names) < 2:
        raise TaxonomyError(f"{len(names)} different labels: a classifier needs at least two")
    mean = vectors.mean(axis=0)
    deviation = vectors.std(axis=0) + 1e-6
    model = LogisticRegression(C=strength, max_iter=_MOST_STEPS).fit((vectors - mean) / deviation, list(labels))
    weights, bias = model.coef_, model.intercept_
    if len(names) == 2:  # scikit-learn keeps one row for two classes
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    weights = weights / deviation
    return Probe(tuple(names), weights.astype(np.float32), (bias - weights @ mean).astype(np.float32))
