"""What turns crops into vectors? The seam that regions pass on their way to search and classification.

Implementations: `vision.clip.TorchEmbedder` (open_clip on a CPU or a GPU), `vision.fake.FakeEmbedder` (tests and load
generation). All of them pass the one contract suite in tests/contract/test_embedder.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Embedder(Protocol):
    """Crops in, unit vectors out. One thread at a time calls `embed`; whoever batches owns that thread."""

    @property
    def fingerprint(self) -> str:
        """`name@hex` over name, weights and preprocessing: vectors compare only within one fingerprint."""

    @property
    def dim(self) -> int:
        """Length of every vector."""

    @property
    def forwards(self) -> float:
        """Work done so far, in whole-image forwards: pixels that have passed the network, by those of one full input.

        Only grows. What a request costs is the difference across it, so that methods of any kind can be compared.
        """

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed RGB `crops`, each uint8 [H, W, 3] of any size from 1 x 1: float32 [n, dim], rows of length 1.

        Row i depends on crop i alone, not on its batch mates. No crops give shape [0, dim].

        Raises:
            ModelError: the model answered with something that is not a finite vector.
            ValueError: a crop is not uint8 [H, W, 3] with at least one pixel.

        """

    def embed_marks(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed crops of marks: the parts of photos that a finder names, and marks' references.

        As `embed`, but a model may look at them through a smaller input, and with a network of their own: the rows
        compare with other rows of marks, not with those of `embed`. Raises as `embed` does.
        """


class TextEmbedder(Protocol):
    """Words into the same space as the crops. Models without a trained text tower raise `UnsupportedByModel`."""

    @property
    def fingerprint(self) -> str:
        """The same fingerprint as the image side's."""

    def embed_text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Embed `prompts`: float32 [n, dim], rows of length 1; none give shape [0, dim].

        Raises:
            UnsupportedByModel: the model has no trained text tower; the message names ones that have.

        """


def check_crops(crops: Sequence[NDArray[np.uint8]]) -> None:
    """Refuse anything but uint8 [H, W, 3] with at least one pixel, naming the first offender."""
    for place, crop in enumerate(crops):
        if crop.dtype != np.uint8 or crop.ndim != 3 or crop.shape[2] != 3 or 0 in crop.shape:
            raise ValueError(
                f"crop {place} is {crop.dtype} {list(crop.shape)}: an embedder takes uint8 [height, width, 3], "
                "RGB, at least 1 x 1 (decode an image with vision.decode)"
            )
