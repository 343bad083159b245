"""Which network does a name mean, and with which weights? Everything before a network meets a device.

One setting names the model:

    touchstone-s                   comes with Touchstone; verified against its manifest
    /models/mine                   a folder of the same form (see vision.checkpoint)
    ViT-B-32@/models/vit.pt        any open_clip architecture with a checkpoint file
    ViT-B-32@laion2b_s34b_b79k     ... with open_clip's pretrained weights   } from the network, so only
    hf-hub:timm/ViT-B-16-SigLIP2   ... with a hub's configuration and weights } with `downloads=True`
    ViT-B-32@random                ... with random weights, always the same: for tests and benchmarks only
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision import checkpoint as artefact
from vision.errors import CheckpointError, ModelError
from vision.preprocessing import Interpolation, Preprocessing, ResizeMode

if TYPE_CHECKING:
    import torch

    from vision.text import TextTower, Tokenizer

DEFAULT_MODEL = "touchstone-s"
_RANDOM_SEED = 0
_ANCHORS = "text.projection.anchors"
_SMALLEST_TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class LoadedNetwork:
    """A network before it meets a device."""

    name: str
    network: Any  # an open_clip model; the library ships no types
    preprocessing: Preprocessing
    dim: int
    weights_sha256: str
    seeing: Mapping[str, Any]  # the part of open_clip's configuration that builds the network that sees
    tokenizer: Any | None  # None: no trained text tower, and `mute` says why
    mute: str = "it has none"
    marks: Any | None = None  # a network for crops of marks, where the model has one


def load_network(model: str, *, downloads: bool) -> LoadedNetwork:
    """Build what `model` names, on the CPU; see `vision.clip.load_embedder` for what can go wrong."""
    name, _, source = model.partition("@")
    if name in artefact.shipped_models():
        return _load_folder(Path(source) if source else artefact.MODELS / name)
    if not source and Path(name).is_dir():
        return _load_folder(Path(name))
    return _load_open_clip(name, source, downloads=downloads)


def _load_folder(folder: Path) -> LoadedNetwork:
    """Build the network of a model folder; a text tower without weights, or with stale ones, is left out."""
    manifest = artefact.read_manifest(folder)
    config = artefact.read_config(manifest)
    weights = artefact.load_weights(manifest.visual)
    config.pop("custom_text", None)
    text_config = config.pop("text_cfg", None)
    network = _without_text(config, manifest)
    marks, digest = None, manifest.visual.sha256
    if artefact.MARKS in manifest.files:
        marks = _with_weights(_without_text(config, manifest), artefact.load_weights(manifest.marks), manifest).visual
        digest += manifest.marks.sha256
    tokenizer, mute = None, "it has none"
    if manifest.has_stale_projection:
        mute = f"its projection was fitted on other visual weights: run `{manifest.files[artefact.PROJECTION].remake}`"
    elif manifest.has_text_tower:
        weights |= artefact.load_weights(manifest.files[artefact.TEXT])
        projection = artefact.load_weights(manifest.files[artefact.PROJECTION])
        anchors = len(projection.get(_ANCHORS, ()))
        network.text, tokenizer = build_text_tower(manifest, text_config, anchors=anchors)
        weights |= projection
    network = _with_weights(network, weights, manifest)
    return LoadedNetwork(
        manifest.name, network, manifest.preprocessing, manifest.dim, digest, _seeing(config), tokenizer, mute, marks
    )


def _without_text(config: Mapping[str, Any], manifest: artefact.Manifest) -> Any:
    """Build the network that sees."""
    import open_clip

    try:
        # open_clip wants some text tower: the smallest, and none in its place.
        network = open_clip.CustomTextCLIP(**config, text_cfg=_SMALLEST_TEXT)
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise CheckpointError(f"{manifest.config}: open_clip cannot build this network: {error}") from error
    network.text = network.logit_scale = network.logit_bias = None
    return network


def _with_weights(network: Any, weights: Mapping[str, torch.Tensor], manifest: artefact.Manifest) -> Any:
    artefact.check_names(manifest, expected=network.state_dict(), found=weights)
    network.load_state_dict(
        {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()},
        assign=True,
    )
    return network


def build_text_tower(
    manifest: artefact.Manifest, config: Mapping[str, int] | None, *, anchors: int
) -> tuple[TextTower, Tokenizer]:
    """Build a folder's text tower, its tensors without memory yet, and its tokenizer from the verified vocabulary.

    Raises:
        CheckpointError: the configuration has no fitting `text_cfg`, or the vocabulary is none.

    """
    import torch

    from vision.text import TextConfig, TextTower, Tokenizer, read_vocabulary

    file = manifest.files[artefact.VOCABULARY]
    try:
        sizes = TextConfig(**(config or {}))
        with torch.device("meta"):
            tower = TextTower(sizes, anchors=anchors, dim=manifest.dim)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise CheckpointError(f"{manifest.config}: its text_cfg names no text tower: {error}") from error
    vocabulary = read_vocabulary(artefact.read_file(file), file.path)
    return tower, Tokenizer(vocabulary, context_length=sizes.context_length)


def _load_open_clip(name: str, source: str, *, downloads: bool) -> LoadedNetwork:
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
    config = open_clip.get_model_config(name)
    label = f"{name.removeprefix('hf-hub:')}" + ("-random" if source == "random" else "")
    digest = _hash_tensors(network.state_dict())
    return LoadedNetwork(label, network, preprocessing, config["embed_dim"], digest, _seeing(config), tokenizer)


def _seeing(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in ("embed_dim", "vision_cfg", "quick_gelu") if key in config}


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


def _hash_tensors(tensors: Mapping[str, torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
