"""When is a product unlike everything that a head was fitted on? Fits `vision.category_head.Familiarity` and tests it.

The limit is set on examples that were held out, so that a chosen share of known products passes for strangers; how many
real strangers it stops is measured on whole leaves that were left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.category_head import Familiarity

# With a quarter of the leaves left out of clothing and grocery (mean of two folds), strangers are told from known
# products with an AUC of 0.79 in 256 dimensions, 0.82 in 512, and 0.86 in all 1280, which would take 3.3 MB, not 1.3.
DIMENSIONS = 512
# Share of the mean variance added to every direction: small ones are measured on few examples.
SHRINKAGE = 0.1
# Known products that may pass for strangers: they answer "unknown", which costs a hint and accuses nobody. Photos from
# elsewhere lie farther out than held-out rows of a train split: 2% here is 4% of clothing/validation and 8% of its test
# split (5% here: 8% and 14%), while 99% of watches, bags, belts and the like are stopped either way.
KNOWN_REJECTED = 0.02

_HELD_OUT = 0.2
_FOLDS = 4
_SEED = 0

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FamiliarityReport:
    """Shares rejected: of known products held out, and of products whose whole leaf was left out."""

    known_rejected: float
    strangers_rejected: float


def fit_familiarity(vectors: Vectors, labels: Sequence[str]) -> Familiarity:
    """Fit on all of `vectors`, float32 [n, dim] unit rows, one label each; centres stand in the order of the labels.

    The limit comes from a fifth of the rows, held out: distances to what one was fitted on are too small.
    """
    held_out = np.random.default_rng(_SEED).random(len(labels)) < _HELD_OUT
    names = np.asarray(labels)
    limit = _limit(_fit(vectors[~held_out], names[~held_out]), vectors[held_out])
    fitted = _fit(vectors, names)
    return Familiarity(fitted.projection, fitted.centres, limit)


def assess_familiarity(vectors: Vectors, labels: Sequence[str]) -> FamiliarityReport:
    """Leave out every fourth leaf in turn, fit on the rest, and see how many of the left-out products are stopped."""
    names = np.asarray(labels)
    known, strangers = [], []
    for stranger in _left_out(names):
        inside = np.flatnonzero(~stranger)
        tenth = np.arange(len(inside)) % 10
        fit_on, limit_on, test = inside[tenth < 6], inside[(tenth == 6) | (tenth == 7)], inside[tenth > 7]
        fitted = _fit(vectors[fit_on], names[fit_on])
        limit = _limit(fitted, vectors[limit_on])
        known.append(fitted.distances(vectors[test]) > limit)
        strangers.append(fitted.distances(vectors[stranger]) > limit)
    return FamiliarityReport(
        known_rejected=float(np.concatenate(known).mean()), strangers_rejected=float(np.concatenate(strangers).mean())
    )


def _left_out(names: NDArray[np.str_]) -> Iterator[NDArray[np.bool_]]:
    leaves = np.random.default_rng(_SEED).permutation(np.unique(names))
    for fold in range(_FOLDS):
        yield np.isin(names, leaves[fold::_FOLDS])


def _fit(vectors: Vectors, names: NDArray[np.str_]) -> Familiarity:
    leaves, places = np.unique(names, return_inverse=True)
    means = np.stack([vectors[places == place].mean(axis=0) for place in range(len(leaves))])
    within = vectors - means[places]
    variances, directions = np.linalg.eigh(within.T @ within / len(within))
    variances, directions = variances[::-1][:DIMENSIONS], directions[:, ::-1][:, :DIMENSIONS]
    scale = np.sqrt(np.maximum(variances, 0) + SHRINKAGE * variances.mean())
    projection = (directions / scale).T.astype(np.float32)
    return Familiarity(projection, (means @ projection.T).astype(np.float32), limit=np.inf)


def _limit(fitted: Familiarity, held_out: Vectors) -> float:
    return float(np.quantile(fitted.distances(held_out), 1 - KNOWN_REJECTED))
