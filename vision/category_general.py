"""What is a product that the category head was not fitted on? General knowledge, from the trunk's first classifier.

`vision.category_head` was fitted on photos of few leaves. The less a photo looks like them, the more counts what the
thousand-class classifier that ImageNet gave the trunk thinks of it; a committed table
(training/data/imagenet_to_leaf.yaml) says which leaf a class means.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision.errors import CheckpointError
from vision.temperature import softmax


@dataclass(frozen=True, eq=False)
class GeneralKnowledge:
    """A classifier over many classes, each of which means a leaf or nothing ("")."""

    weights: NDArray[np.float32]  # [classes, dim], for photo vectors of length 1
    bias: NDArray[np.float32]  # [classes]
    meanings: tuple[str, ...]  # a leaf's path, "top > middle > leaf", for each class
    temperature: float = 1.0

    def scores(self, photos: NDArray[np.float32]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Give the leaves, and the probability of each for each of `photos`, float32 [n, dim] from `signed_root`.

        What is missing from a row's sum of 1 is the probability of classes that mean no leaf.
        """
        squared = np.sign(photos) * photos**2  # `signed_root` took the signed root; these rows know the plain vectors
        plain = squared / np.linalg.norm(squared, axis=1, keepdims=True)
        classes = softmax((plain @ self.weights.T + self.bias) / self.temperature)
        leaves, means = self._meant
        return leaves, (classes @ means).astype(np.float32)

    @property
    def leaves(self) -> tuple[str, ...]:
        """The leaves that classes mean, in order."""
        return self._meant[0]

    @cached_property
    def _meant(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """The leaves that classes mean, and which means which: 0 or 1, [classes, leaves]."""
        leaves = tuple(sorted(set(self.meanings) - {""}))
        return leaves, np.array([[meaning == leaf for leaf in leaves] for meaning in self.meanings], np.float64)

    def tuned(self, *, temperature: float, look_alikes: Mapping[int, str]) -> GeneralKnowledge:
        """Return the same classifier, less sure the higher the temperature; some classes, by number, mean other leaves.

        Neither is in the file that `save` writes: both change more often than its 2.6 MB of weights.
        """
        meanings = tuple(look_alikes.get(number, meaning) for number, meaning in enumerate(self.meanings))
        return replace(self, temperature=temperature, meanings=meanings)

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
