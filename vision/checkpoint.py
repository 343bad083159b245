"""Are these the weights that the manifest names? Reads and verifies a model folder before anything is built from it.

A model folder holds three files:

    NAME.json          an open_clip model configuration
    manifest.json      what the weights are: format, sha256, preprocessing, licence, source, and how to make them again
    model.safetensors  the weights: no code in them, read whole into memory, so the bytes hashed are the bytes used

Every fault is a `CheckpointError` that names the file and what to run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.errors import CheckpointError, ModelError
from vision.preprocessing import Interpolation, Preprocessing, ResizeMode

if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
MODELS = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Manifest:
    """What a model folder says about its weights."""

    folder: Path
    name: str
    version: str
    file: str
    sha256: str
    dtype: str
    dim: int
    preprocessing: Preprocessing
    has_text_tower: bool
    licence: str
    source: str
    remake: str  # the command that writes the folder again

    @property
    def weights(self) -> Path:
        """The weights' file."""
        return self.folder / self.file

    @property
    def config(self) -> Path:
        """The open_clip model configuration."""
        return self.folder / f"{self.name}.json"


def model_folder(fingerprint: str) -> Path:
    """Say where what belongs to a shipped model lies: weights, similarity calibration, category head."""
    return MODELS / fingerprint.partition("@")[0]


def shipped_models() -> tuple[str, ...]:
    """Name the models that come with Touchstone."""
    return tuple(sorted(path.parent.name for path in MODELS.glob(f"*/{MANIFEST}")))


def read_manifest(folder: Path) -> Manifest:
    """Read a model folder's manifest; nothing else is opened."""
    path = folder / MANIFEST
    document = _read_json(path)
    version = document.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: format_version is {version!r}, this Touchstone reads {FORMAT_VERSION}: "
            "install the Touchstone that wrote the model, or restore the file"
        )
    try:
        recipe = document["preprocessing"]
        preprocessing = Preprocessing(
            size=tuple(recipe["size"]),
            mean=tuple(recipe["mean"]),
            std=tuple(recipe["std"]),
            interpolation=Interpolation(recipe["interpolation"]),
            resize_mode=ResizeMode(recipe["resize_mode"]),
            fill=recipe["fill"],
        )
        return Manifest(
            folder=folder,
            preprocessing=preprocessing,
            has_text_tower=bool(document["has_text_tower"]),
            dim=int(document["dim"]),
            **{key: str(document[key]) for key in _WORDS},
        )
    except (KeyError, TypeError, ValueError, ModelError) as error:
        raise CheckpointError(f"{path}: {error!r} breaks the manifest's format: {_RESTORE}") from error


def load_weights(manifest: Manifest) -> dict[str, torch.Tensor]:
    """Read the manifest's weights, compare their sha256, and only then parse them: tensors on the CPU by name."""
    import safetensors
    import safetensors.torch

    remedy = f"{_RESTORE}, or write it again with `{manifest.remake}`"
    try:
        data = manifest.weights.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{manifest.weights}: cannot be read ({error.strerror}): {remedy}") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != manifest.sha256:
        raise CheckpointError(
            f"{manifest.weights}: {len(data)} bytes with sha256 {actual}, "
            f"but {manifest.folder / MANIFEST} names {manifest.sha256}: {remedy}"
        )
    try:
        return safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{manifest.weights}: is not a safetensors file ({error}): {remedy}") from error


def read_config(manifest: Manifest) -> dict[str, Any]:
    """Read the open_clip configuration that the manifest's weights fit."""
    return _read_json(manifest.config)


def check_names(manifest: Manifest, *, expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights that miss a tensor of the network, bring one too many, or have one of another shape."""
    faults = [f"{name} is missing" for name in expected.keys() - found.keys()]
    faults += [f"{name} is not of this network" for name in found.keys() - expected.keys()]
    faults += [
        f"{name} has shape {list(found[name].shape)} instead of {list(expected[name].shape)}"
        for name in expected.keys() & found.keys()
        if found[name].shape != expected[name].shape
    ]
    if faults:
        raise CheckpointError(
            f"{manifest.weights}: does not fit {manifest.config}: {'; '.join(sorted(faults)[:3])} "
            f"({len(faults)} tensors in all): {_RESTORE}"
        )


_WORDS = ("name", "version", "file", "sha256", "dtype", "licence", "source", "remake")
_RESTORE = "restore the model folder (`git restore vision/models`, or install Touchstone again)"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}): {_RESTORE}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: is not JSON ({error}): {_RESTORE}") from error
    if not isinstance(document, dict):
        raise CheckpointError(f"{path}: holds a {type(document).__name__}, not an object: {_RESTORE}")
    return document
