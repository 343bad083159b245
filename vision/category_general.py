"""What is a product that the category head was not fitted on? General knowledge, from the trunk's first classifier.

`vision.category_head` was fitted on photos of few leaves. What looks like none of them is shown to the thousand-class
classifier that ImageNet gave the trunk; a committed table (training/data/imagenet_to_leaf.yaml) says which leaf a class
means. Where no leaf is likely enough the answer stays "unknown".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.errors import CheckpointError
from vision.temperature import softmax

# A leaf is said from this probability on, and when it is so many times as likely as any other: what classes that mean
# no leaf hold says little about which leaf it is. What is said with so little is a hint; `serving.evidence`
# counts nothing below 0.4.
LIMIT = 0.1
ODDS = 4.0
# Probability that goes to the first of several leaves before they are compared: only what is about as likely as not
# overrules it. With 0.1 as many are right in all, but every pair of trousers, a thing that no class means, is jeans.
_DOUBT = 0.5


@dataclass(frozen=True, eq=False)
class GeneralKnowledge:
    """A classifier over many classes, each of which means a leaf or nothing ("")."""

    weights: NDArray[np.float32]  # [classes, dim], for photo vectors of length 1
    bias: NDArray[np.float32]  # [classes]
    meanings: tuple[str, ...]  # a leaf's path, "top > middle > leaf", for each class

    def scores(self, photos: NDArray[np.float32]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Give the leaves, and the probability of each for each of `photos`, float32 [n, dim] from `signed_root`.

        What is missing from a row's sum of 1 is the probability of classes that mean no leaf.
        """
        squared = np.sign(photos) * photos**2  # `signed_root` took the signed root; these rows know the plain vectors
        plain = squared / np.linalg.norm(squared, axis=1, keepdims=True)
        classes = softmax(plain @ self.weights.T + self.bias)
        leaves, means = self._meant
        return leaves, (classes @ means).astype(np.float32)

    @cached_property
    def _meant(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """The leaves that classes mean, and which means which: 0 or 1, [classes, leaves]."""
        leaves = tuple(sorted(set(self.meanings) - {""}))
        return leaves, np.array([[meaning == leaf for leaf in leaves] for meaning in self.meanings], np.float64)

    def save(self, path: Path) -> None:
        """Write the numbers in half precision, and the meanings into the metadata."""
        from safetensors.numpy import save

        tensors = {"weights": self.weights, "bias": self.bias}
        halved = {name: np.ascontiguousarray(tensor, np.float16) for name, tensor in tensors.items()}
        path.write_bytes(save(halved, {"meanings": json.dumps(self.meanings)}))

    @classmethod
    def load(cls, path: Path) -> GeneralKnowledge:
        """Read what `save` wrote.

        Raises:
            CheckpointError: missing or corrupt.

        """
        import safetensors

        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                weights, bias = (file.get_tensor(name).astype(np.float32) for name in ("weights", "bias"))
                meanings = tuple(json.loads(file.metadata()["meanings"]))
        except (OSError, KeyError, ValueError, TypeError, safetensors.SafetensorError) as error:
            raise CheckpointError(f"{path}: cannot be read ({error!r}); run python -m training.fit_category") from error
        return cls(weights, bias, meanings)


def share(covered: Sequence[str], leaves: Sequence[str], probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share 1 out among the leaves `covered`, one of which each photo shows: float32 [n, covered].

    By the `probabilities` of `leaves`, [n, leaves]; the first is the one to assume where nothing speaks for any.
    """
    shares = np.zeros((len(probabilities), len(covered)), np.float32)
    for place, leaf in enumerate(covered):
        if leaf in leaves:
            shares[:, place] = probabilities[:, leaves.index(leaf)]
    shares[:, 0] += _DOUBT
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def speaks(probabilities: NDArray[np.float32]) -> bool:
    """Tell whether one of the leaves with these `probabilities`, [leaves], is likely enough to be said."""
    *_, second, best = np.sort(np.append(probabilities, 0.0))
    return bool(best >= LIMIT and best >= ODDS * second)
