"""Which network embeds, on which device? open_clip models as `Embedder` and `TextEmbedder`.

`vision.networks` says which names there are. The device is data: the code below is the same on a CPU and on a GPU.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vision import forward
from vision.allocator import keep_freed_memory
from vision.embedder import check_crops
from vision.errors import ModelError, UnsupportedByModel
from vision.networks import DEFAULT_MODEL, LoadedNetwork, load_network
from vision.preprocessing import Preprocessing, for_marks

_log = logging.getLogger(__name__)


class TorchEmbedder:
    """An open_clip network on one device. Any one thread at a time may call it; make one with `load_embedder`."""

    def __init__(
        self, loaded: LoadedNetwork, *, device: str, batch_size: int = forward.BATCH_SIZE, path: str = forward.EAGER
    ) -> None:
        self.device = device
        self.preprocessing = loaded.preprocessing
        self._name = loaded.name
        self._dim = loaded.dim
        self._fingerprint = _fingerprint(loaded, path)
        self._tokenizer = loaded.tokenizer
        self._mute = loaded.mute
        self._batch_size = batch_size
        self._forwards = 0.0
        self._network = loaded.network.eval().requires_grad_(False).to(device)
        see = partial(forward.through, path=path, device=device, batch_size=batch_size)
        self._see = see(self._network.visual)
        self._see_marks = self._see if loaded.marks is None else see(loaded.marks)

    @property
    def fingerprint(self) -> str:
        """`name@` and 12 hex digits over name, weights and preprocessing, and a path that is not exact."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._dim

    @property
    def forwards(self) -> float:
        """Whole-image forwards done so far; a crop of a mark counts by the pixels of its input."""
        return self._forwards

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed RGB `crops`, each uint8 [H, W, 3] of any size: float32 [n, dim], rows of length 1."""
        return self._embed(crops, self.preprocessing, self._see)

    def embed_marks(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed crops of marks by the model's network for marks, or by its only one, at its size for marks."""
        return self._embed(crops, for_marks(self.preprocessing), self._see_marks)

    def _embed(
        self, crops: Sequence[NDArray[np.uint8]], recipe: Preprocessing, see: forward.Forward
    ) -> NDArray[np.float32]:
        import torch

        check_crops(crops)
        if not crops:
            return self._unit_rows([])
        with torch.inference_mode():
            answer = see(crops, recipe)
        rows = answer[0] if isinstance(answer, tuple) else answer  # CoCa's tower gives its tokens, too
        self._forwards += len(crops) * math.prod(recipe.size) / math.prod(self.preprocessing.size)
        return self._unit_rows([rows.cpu().numpy()])

    def embed_text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Embed `prompts`: float32 [n, dim], rows of length 1; `UnsupportedByModel` without a trained text tower."""
        import torch

        if self._tokenizer is None:
            raise UnsupportedByModel(
                f"{self._name} has no trained text tower ({self._mute}): make concepts from example images or a probe, "
                "or set a model that has one, for example ViT-B-32@laion2b_s34b_b79k"
            )
        batches = []
        with torch.inference_mode():
            for start in range(0, len(prompts), self._batch_size):
                tokens = self._tokenizer(list(prompts[start : start + self._batch_size])).to(self.device)
                batches.append(self._network.encode_text(tokens).float().cpu().numpy())
        return self._unit_rows(batches)

    def _unit_rows(self, batches: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = np.concatenate([np.zeros((0, self._dim), np.float32), *batches])
        lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
        broken = np.flatnonzero(~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0))
        if len(broken):
            raise ModelError(
                f"{self._name} on {self.device} answered {len(broken)} of {len(rows)} rows with a vector that is zero "
                f"or not finite, row {broken[0]} first: check its weights, or the device's memory"
            )
        return rows / lengths


def load_embedder(
    model: str = DEFAULT_MODEL,
    *,
    checkpoint: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch_size: int = forward.BATCH_SIZE,
    downloads: bool = False,
    path: str = forward.AUTO,
) -> TorchEmbedder:
    """Build the embedder that `model` names (see vision.networks) on `device`: `auto`, `cpu`, `cuda` or `cuda:1`.

    `checkpoint` is another way to write `model@checkpoint`. `threads` sets torch's threads for the whole process; the
    library's default is one a core. A forward pass takes at most `batch_size` crops, by the `path` that it names (see
    vision.forward). Nothing is fetched from a network unless `downloads` is true.

    Raises:
        CheckpointError: weights missing, corrupt or not of this network.
        ModelError: no such model, device or path, or it would have to be downloaded.

    """
    import torch

    if checkpoint is not None:
        model = f"{model}@{checkpoint}"
    place = resolve_device(device)
    if batch_size < 1:
        raise ModelError(f"batch_size is {batch_size}: a forward pass takes at least 1 crop")
    if threads is not None:
        if threads < 1:
            raise ModelError(f"threads is {threads}: torch needs at least 1; leave it unset for one a core")
        torch.set_num_threads(threads)
    if place == "cpu":
        keep_freed_memory()
    path = forward.choose_path(path, place)
    loaded = load_network(model, downloads=downloads)
    embedder = TorchEmbedder(loaded, device=place, batch_size=batch_size, path=path)
    _log.info("model %s on %s by %s, %d-d", embedder.fingerprint, place, path, embedder.dim)
    return embedder


def resolve_device(device: str) -> str:
    """Turn `auto` into the best device here, and refuse one that is not here."""
    import torch

    gpus = torch.cuda.device_count()
    if device == "auto":
        return "cuda:0" if gpus else "cpu"
    choices = ["cpu", *(["cuda"] if gpus else []), *(f"cuda:{number}" for number in range(gpus))]
    if device not in choices:
        raise ModelError(f"device {device!r} is not here: choose auto or one of {', '.join(choices)}")
    return device


def _fingerprint(loaded: LoadedNetwork, path: str) -> str:
    recipe = json.dumps(asdict(loaded.preprocessing), sort_keys=True)
    parts = [loaded.name, loaded.weights_sha256, recipe, *([path] if path in forward.INEXACT else [])]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return f"{loaded.name}@{digest[:12]}"
