"""What turns crops into vectors in a Triton server? The `Embedder` whose network runs there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vision.embedder import check_crops
from vision.errors import ModelError
from vision.forward import EAGER
from vision.preprocessing import for_marks
from vision.triton.channel import Output
from vision.triton.connection import Connection
from vision.triton.naming import IMAGES, MARKS, ROWS

if TYPE_CHECKING:
    from vision.networks import LoadedNetwork


class TritonEmbedder:
    """A model's networks in a Triton server. One thread at a time calls it; make one with `load_embedder`.

    Words are embedded here, where the model can read: few are, and seldom.
    """

    def __init__(self, loaded: LoadedNetwork, connection: Connection, *, path: str = EAGER) -> None:
        """Look whether the server has the networks of `loaded`, run by a path of the same space as `path`.

        Raises:
            ModelUnavailable: the server is out of reach.
            ModelError: it has no such model, or one of other weights.

        """
        from torch import nn

        from vision.clip import TorchEmbedder

        separate = has_marks_of_its_own(loaded)
        loaded.network.visual = nn.Identity()  # the server's part
        self._words = TorchEmbedder(replace(loaded, marks=None), device="cpu", path=path)
        self._recipe = loaded.preprocessing
        self._connection = connection
        self._forwards = 0.0
        output = Output(name=ROWS, dtype=np.float32, shape=(loaded.dim,))
        self._images = connection.model(self.fingerprint, IMAGES, output)
        self._marks = connection.model(self.fingerprint, MARKS, output) if separate else self._images

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model, as on any device."""
        return self._words.fingerprint

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._words.dim

    @property
    def forwards(self) -> float:
        """Whole-image forwards done so far; a crop of a mark counts by the pixels of its input."""
        return self._forwards

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed RGB `crops`, each uint8 [H, W, 3] of any size: float32 [n, dim], rows of length 1."""
        return self._embed(crops, marks=False)

    def embed_marks(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed crops of marks by the model's network for marks, or by its only one, at its size for marks."""
        return self._embed(crops, marks=True)

    def embed_text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Embed `prompts`: float32 [n, dim], rows of length 1; `UnsupportedByModel` without a trained text tower."""
        return self._words.embed_text(prompts)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _embed(self, crops: Sequence[NDArray[np.uint8]], *, marks: bool) -> NDArray[np.float32]:
        check_crops(crops)
        recipe = for_marks(self._recipe) if marks else self._recipe
        model = self._marks if marks else self._images
        rows = self._connection.ask(model, crops, recipe).astype(np.float32, copy=False)
        self._forwards += len(crops) * math.prod(recipe.size) / math.prod(self._recipe.size)
        wrong = np.flatnonzero(~(np.abs(np.linalg.norm(rows, axis=1) - 1) < 1e-3))
        if len(wrong):
            raise ModelError(f"{model.name} answered {len(wrong)} of {len(rows)} rows with no vector of length 1")
        return rows


def has_marks_of_its_own(loaded: LoadedNetwork) -> bool:
    """Whether crops of marks take another network, or another size, than whole images."""
    return loaded.marks is not None or for_marks(loaded.preprocessing).size != loaded.preprocessing.size
