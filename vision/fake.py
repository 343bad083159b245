"""How do tests and load generators embed without a model? A fake that looks at the pixels, fast and deterministic.

A crop is averaged down to a small colour thumbnail; the thumbnail and its gradients pass a fixed random projection. So
equal crops have equal vectors and similar crops similar ones, which is what search, batching and fusion need to be
exercised for real. It knows nothing about brands: its scores are no measure of anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.embedder import check_crops

_EDGE = 8  # the thumbnail's edge in pixels: enough to tell layouts apart, small enough for 10^4 crops a second
_PROJECTION_SEED = 20_240_501


class FakeEmbedder:
    """An `Embedder` and `TextEmbedder` without a network; vectors are content-based and the same on every machine."""

    def __init__(self, *, dim: int = 128) -> None:
        if dim < 1:
            raise ValueError(f"dim is {dim}: a vector needs at least one component")
        self._dim = dim
        self._forwards = 0.0
        features = _EDGE * _EDGE * 3 + 2 * _EDGE * (_EDGE - 1) + 1
        self._projection = np.random.default_rng(_PROJECTION_SEED).standard_normal((features, dim)).astype(np.float32)

    @property
    def fingerprint(self) -> str:
        """`fake@` and the projection's identity."""
        return f"fake@{_PROJECTION_SEED:08x}{self._dim:04x}"

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._dim

    @property
    def forwards(self) -> float:
        """Crops embedded so far: what a network without regions of its own would have to do."""
        return self._forwards

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed `crops`, each uint8 [H, W, 3]: float32 [n, dim], rows of length 1."""
        check_crops(crops)
        self._forwards += len(crops)
        if not crops:
            return np.zeros((0, self._dim), np.float32)
        # Row by row: a matrix product rounds differently with the number of rows, and a fake should be exact.
        return np.stack([_unit(_features(crop) @ self._projection) for crop in crops])

    def embed_marks(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed `crops` as `embed` does: a thumbnail is a thumbnail."""
        return self.embed(crops)

    def embed_text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Embed `prompts` by their letters' trigrams, so that similar words have similar vectors: float32 [n, dim]."""
        if not prompts:
            return np.zeros((0, self._dim), np.float32)
        return np.stack([_unit(self._text_features(prompt) @ self._projection) for prompt in prompts])

    def _text_features(self, prompt: str) -> NDArray[np.float32]:
        features = np.zeros(len(self._projection), np.float32)
        features[-1] = 0.1
        padded = f"  {prompt.casefold()} "
        for start in range(len(padded) - 2):
            place = int.from_bytes(padded[start : start + 3].encode(), "big") % len(features)
            features[place] += 1.0
        return features


def _features(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe a crop by centred colours, gradients and a constant that keeps grey from being the zero vector."""
    small = cv2.resize(np.ascontiguousarray(crop), (_EDGE, _EDGE), interpolation=cv2.INTER_AREA)
    colours = small.astype(np.float32) / 255.0
    grey = colours.mean(axis=2)
    gradients = (np.diff(grey, axis=0).ravel(), np.diff(grey, axis=1).ravel())
    return np.concatenate([colours.ravel() - 0.5, *gradients, np.array([0.1], np.float32)])


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vector / np.linalg.norm(vector)
