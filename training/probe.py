"""How is a linear head fitted on thousands of embeddings in seconds? Fisher's linear discriminant, shrunk.

Fits the heads of `eval categories --train` and the one that ships. `Concepts.from_probe` searches for the best logistic
regression and suits the handfuls of examples that users give; on whole data sets the discriminant, which is solved
in closed form, names more: 0.917 to 0.876 of clothing/test with an untrained trunk. Rare labels, even of one
example, borrow the spread of the others. Other looks of the examples (`Looks`) say which differences mean nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vision.concepts import ConceptKind, Concepts
from vision.temperature import calibrate

# Share of the mean variance that replaces the measured covariance (Friedman 1989, "Regularized discriminant analysis").
# More examples bear less: the held-out ones choose.
SHRINKAGES = (0.03, 0.1, 0.3)
_HELD_OUT = 5  # every fifth example of a label chooses the shrinkage and calibrates the temperature

Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Looks:
    """Other looks of some examples: `vectors`, float32 [m, dim] unit rows, of the examples at `sources`, int [m].

    They teach a probe twice: a label's mean lies halfway between its examples' and their looks', and how an example
    differs from its own look is spread that means nothing, so the probe learns to overlook it (the within-class
    covariance of Hatch and others, "Within-class covariance normalization for SVM-based speaker recognition", 2006).
    """

    vectors: Vectors
    sources: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> Looks:
        """Keep the looks of the chosen examples, bool [n], counted among these."""
        kept = chosen[self.sources]
        return Looks(self.vectors[kept], (np.cumsum(chosen) - 1)[self.sources[kept]])


def fit_probe(vectors: Vectors, labels: Sequence[str], *, fingerprint: str, looks: Looks | None = None) -> Concepts:
    """Fit concepts on `vectors`, float32 [n, dim] unit rows of the model `fingerprint`, one label each.

    Needs at least two labels and one of two examples or more; raises ValueError.
    """
    names, targets = np.unique(np.asarray(labels), return_inverse=True)
    most = int(np.bincount(targets).max())
    if len(names) < 2 or most < 2:
        raise ValueError(f"{len(names)} labels, the commonest with {most} examples: a probe needs two of each")
    held_out = _held_out(targets)
    temperatures, found = {}, {}
    for shrinkage in SHRINKAGES:
        others = looks.of(~held_out) if looks is not None else None
        weights, bias = _fit(vectors[~held_out], targets[~held_out], shrinkage, others)
        logits = vectors[held_out] @ weights.T + bias
        temperatures[shrinkage] = calibrate(logits, targets[held_out])
        found[shrinkage] = float((logits.argmax(axis=1) == targets[held_out]).mean())
    # Of equals the most shrunk: the network may have learnt from the held-out ones too, and then they are no test.
    best = max(reversed(SHRINKAGES), key=found.__getitem__)
    weights, bias = _fit(vectors, targets, best, looks)
    temperature = temperatures[best]
    return Concepts(
        labels=tuple(str(name) for name in names),
        fingerprint=fingerprint,
        kind=ConceptKind.PROBE,
        weights=weights,
        bias=bias,
        temperature=temperature,
    )


def _held_out(targets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark every fifth example of each label, and the second of labels that have fewer: bool [n]."""
    marked = np.zeros(len(targets), np.bool_)
    for target in range(int(targets.max()) + 1):
        own = np.flatnonzero(targets == target)
        marked[own[_HELD_OUT - 1 :: _HELD_OUT] if len(own) >= _HELD_OUT else own[1:2]] = True
    return marked


def _fit(
    vectors: Vectors, targets: NDArray[np.int64], shrinkage: float, looks: Looks | None
) -> tuple[Vectors, Vectors]:
    """Fit weights [labels, dim] and bias [labels]: how near each label's mean is, in units of the spread within."""
    means = np.stack([vectors[targets == target].mean(axis=0) for target in range(int(targets.max()) + 1)])
    within = vectors - means[targets]
    covariance = within.T @ within / len(within)
    if looks is not None and len(looks.sources):
        covariance, means = _with_looks(looks, vectors, targets, means, within)
    spread = max(float(np.trace(covariance)) / len(covariance), 1e-9) * np.eye(len(covariance))
    weights = np.linalg.solve((1 - shrinkage) * covariance + shrinkage * spread, means.T).T
    return weights.astype(np.float32), (-(weights * means).sum(axis=1) / 2).astype(np.float32)


def _with_looks(
    looks: Looks, vectors: Vectors, targets: NDArray[np.int64], means: Vectors, within: Vectors
) -> tuple[Vectors, Vectors]:
    """Return the covariance within a label and look plus that of the differences of looks, and the labels' means."""
    own = targets[looks.sources]
    looked = means.copy()  # of a label without looks
    for target in np.unique(own):
        looked[target] = looks.vectors[own == target].mean(axis=0)
    both = np.concatenate([within, looks.vectors - looked[own]])
    changes = looks.vectors - vectors[looks.sources]
    covariance: Vectors = both.T @ both / len(both) + changes.T @ changes / len(changes)
    return covariance, ((means + looked) / 2).astype(np.float32)
