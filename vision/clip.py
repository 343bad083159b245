"""Which network embeds, with which weights, on which device? open_clip models as `Embedder` and `TextEmbedder`.

One setting names the model:

    touchstone-s                   comes with Touchstone; verified against its manifest
    /models/mine                   a folder of the same form (see vision.checkpoint)
    ViT-B-32@/models/vit.pt        any open_clip architecture with a checkpoint file
    ViT-B-32@laion2b_s34b_b79k     ... with open_clip's pretrained weights   } from the network, so only
    hf-hub:timm/ViT-B-16-SigLIP2   ... with a hub's configuration and weights } with `downloads=True`
    ViT-B-32@random                ... with random weights, always the same: for tests and benchmarks only

The device is data: the code below is the same on a CPU and on a GPU.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision import checkpoint as artefact
from vision.embedder import check_crops
from vision.errors import CheckpointError, ModelError, UnsupportedByModel
from vision.preprocessing import Interpolation, Preprocessing, ResizeMode, prepare

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)

DEFAULT_MODEL = "touchstone-s"
BATCH_SIZE = 32  # crops a forward pass; beyond it a CPU gains nothing and memory grows
_RANDOM_SEED = 0


@dataclass(frozen=True)
class _Loaded:
    """A network before it meets a device."""

    name: str
    network: Any  # an open_clip model; the library ships no types
    preprocessing: Preprocessing
    dim: int
    weights_sha256: str
    tokenizer: Any | None  # None: no trained text tower


class TorchEmbedder:
    """An open_clip network on one device. Any one thread at a time may call it; make one with `load_embedder`."""

    def __init__(self, loaded: _Loaded, *, device: str, batch_size: int = BATCH_SIZE) -> None:
        import torch

        self.device = device
        self.preprocessing = loaded.preprocessing
        self._name = loaded.name
        self._dim = loaded.dim
        self._fingerprint = _fingerprint(loaded)
        self._tokenizer = loaded.tokenizer
        self._batch_size = batch_size
        network = loaded.network.eval().requires_grad_(False)
        # Buffers of the network: they move with it, and preprocessing cannot drift from the weights.
        network.register_buffer("pixel_mean", torch.tensor(loaded.preprocessing.mean).view(3, 1, 1), persistent=False)
        network.register_buffer("pixel_std", torch.tensor(loaded.preprocessing.std).view(3, 1, 1), persistent=False)
        self._network = network.to(device=device, memory_format=torch.channels_last)

    @property
    def fingerprint(self) -> str:
        """`name@` and 12 hex digits over name, weights and preprocessing."""
        return self._fingerprint

    @property
    def dim(self) -> int:
        """Length of every vector."""
        return self._dim

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed RGB `crops`, each uint8 [H, W, 3] of any size: float32 [n, dim], rows of length 1."""
        import torch

        check_crops(crops)
        mean, std = self._network.pixel_mean, self._network.pixel_std
        batches = []
        with torch.inference_mode():
            for start in range(0, len(crops), self._batch_size):
                images = prepare(crops[start : start + self._batch_size], self.preprocessing, mean=mean, std=std)
                batches.append(self._network.encode_image(images).float().cpu().numpy())
        return self._unit_rows(batches)

    def embed_text(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Embed `prompts`: float32 [n, dim], rows of length 1; `UnsupportedByModel` without a trained text tower."""
        import torch

        if self._tokenizer is None:
            raise UnsupportedByModel(
                f"{self._name} has no trained text tower: make concepts from example images or a probe, "
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
    downloads: bool = False,
) -> TorchEmbedder:
    """Build the embedder that `model` names (see the module's table) on `device`: `auto`, `cpu`, `cuda` or `cuda:1`.

    `checkpoint` is another way to write `model@checkpoint`. `threads` sets torch's threads for the whole process; the
    library's default is one a core. Nothing is fetched from a network unless `downloads` is true.

    Raises:
        CheckpointError: weights missing, corrupt or not of this network.
        ModelError: no such model or device, or it would have to be downloaded.

    """
    import torch

    if checkpoint is not None:
        model = f"{model}@{checkpoint}"
    place = resolve_device(device)
    if threads is not None:
        if threads < 1:
            raise ModelError(f"threads is {threads}: torch needs at least 1; leave it unset for one a core")
        torch.set_num_threads(threads)
    embedder = TorchEmbedder(_load(model, downloads=downloads), device=place)
    _log.info("model %s on %s, %d-d", embedder.fingerprint, place, embedder.dim)
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


def _load(model: str, *, downloads: bool) -> _Loaded:
    name, _, source = model.partition("@")
    if name in artefact.shipped_models():
        return _load_folder(Path(source) if source else artefact.MODELS / name)
    if not source and Path(name).is_dir():
        return _load_folder(Path(name))
    return _load_open_clip(name, source, downloads=downloads)


def _load_folder(folder: Path) -> _Loaded:
    """Build the network of a model folder; towers without weights are dropped, not left random."""
    import open_clip

    manifest = artefact.read_manifest(folder)
    config = artefact.read_config(manifest)
    weights = artefact.load_weights(manifest)
    config.pop("custom_text", None)
    try:
        network = open_clip.CustomTextCLIP(**config)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise CheckpointError(f"{manifest.config}: open_clip cannot build this network: {error}") from error
    tokenizer = open_clip.SimpleTokenizer(network.context_length) if manifest.has_text_tower else None
    if tokenizer is None:
        network.text = network.logit_scale = network.logit_bias = None
    artefact.check_names(manifest, expected=network.state_dict(), found=weights)
    network.load_state_dict(weights)
    return _Loaded(manifest.name, network, manifest.preprocessing, manifest.dim, manifest.sha256, tokenizer)


def _load_open_clip(name: str, source: str, *, downloads: bool) -> _Loaded:
    import open_clip
    import torch

    _check_spelling(name, source, downloads=downloads)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_RANDOM_SEED)  # for `@random`; trained weights overwrite it
        try:
            network = open_clip.create_model(
                name, None if source == "random" else source or None, pretrained_text=False
            )
            tokenizer = open_clip.get_tokenizer(name)
        except Exception as error:  # open_clip raises whatever its file, hub and tensor libraries do
            fault = CheckpointError if Path(source).is_file() else ModelError
            raise fault(f"model {name}{'@' + source if source else ''} cannot be loaded: {error}") from error
    recipe = network.visual.preprocess_cfg
    size = recipe["size"]
    preprocessing = Preprocessing(
        size=(size, size) if isinstance(size, int) else tuple(size),
        mean=tuple(recipe["mean"]),
        std=tuple(recipe["std"]),
        interpolation=Interpolation(recipe["interpolation"]),
        resize_mode=ResizeMode(recipe["resize_mode"]),
        fill=recipe["fill_color"],
    )
    dim = open_clip.get_model_config(name)["embed_dim"]
    label = f"{name.removeprefix('hf-hub:')}" + ("-random" if source == "random" else "")
    return _Loaded(label, network, preprocessing, dim, _hash_tensors(network.state_dict()), tokenizer)


def _check_spelling(name: str, source: str, *, downloads: bool) -> None:
    """Refuse names that mean nothing, and those that mean a download which nobody allowed."""
    import open_clip

    from_hub = name.startswith("hf-hub:")
    if not from_hub and name not in open_clip.list_models():
        raise ModelError(
            f"no model {name!r}: choose {', '.join(artefact.shipped_models())}, a model folder, an open_clip name "
            "(`python -c 'import open_clip; print(open_clip.list_models())'`), or hf-hub:ORGANISATION/NAME"
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if source == "random" or (source and Path(source).is_file()):
        return
    if source and source not in tags:
        raise CheckpointError(f"{source}: no such checkpoint file, nor a pretrained tag of {name} ({', '.join(tags)})")
    if not source and not from_hub:
        raise ModelError(f"{name} names no weights: write {name}@FILE, or {name}@TAG ({', '.join(tags)})")
    if not downloads:
        raise ModelError(
            f"{name}{'@' + source if source else ''} comes from the network, and downloads are off: "
            f"allow them, or fetch the file yourself and write {name}@FILE"
        )


def _fingerprint(loaded: _Loaded) -> str:
    recipe = json.dumps(asdict(loaded.preprocessing), sort_keys=True)
    digest = hashlib.sha256("\n".join((loaded.name, loaded.weights_sha256, recipe)).encode()).hexdigest()
    return f"{loaded.name}@{digest[:12]}"


def _hash_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
