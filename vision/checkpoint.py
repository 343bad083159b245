"""Are these the weights that the manifest names? Reads and verifies a model folder before anything is built from it.

A model folder holds:

    NAME.json                      an open_clip model configuration; its `text_cfg` is that of `vision.text`
    manifest.json                  the model's dim and preprocessing, and by role each file below: its sha256, licence,
                                   source, and how to make it again
    model.safetensors              `visual`: the network that sees
    marks.safetensors              `marks`: one of the same form for crops of marks
    text.safetensors               `text`: the network that reads, as large as six of the others: written once
    text_projection.safetensors    `text_projection`: from what it reads to what the other sees; fitted to `visual`
    vocabulary.txt                 `vocabulary`: the words' pieces that it reads

Only `visual` is needed. Weights have no code in them and are read whole, so that the bytes hashed are the bytes used.
Every fault is a `CheckpointError` that names the file and what to run. Format version 1, one file of visual weights
named in the manifest itself, is still read.
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

FORMAT_VERSION = 2
MANIFEST = "manifest.json"
MODELS = Path(__file__).parent / "models"


VISUAL, MARKS, TEXT, PROJECTION, VOCABULARY = "visual", "marks", "text", "text_projection", "vocabulary"


@dataclass(frozen=True)
class ModelFile:
    """A file of a model folder, and what the manifest says of it."""

    path: Path
    sha256: str
    licence: str
    source: str
    remake: str  # the command that writes it again
    fitted_on: str | None = None  # sha256 of the visual weights that it fits; None: it fits any

    @property
    def remedy(self) -> str:
        """What to do when the file is not what it should be."""
        return f"{_RESTORE}, or write it again with `{self.remake}`"


@dataclass(frozen=True)
class Manifest:
    """What a model folder says about itself."""

    folder: Path
    name: str
    version: str
    dtype: str
    dim: int
    preprocessing: Preprocessing
    files: Mapping[str, ModelFile]  # by role

    @property
    def visual(self) -> ModelFile:
        """The weights of the network that sees."""
        return self.files[VISUAL]

    @property
    def marks(self) -> ModelFile:
        """The weights of the network for crops of marks, where there is one."""
        return self.files[MARKS]

    @property
    def has_text_tower(self) -> bool:
        """Whether the folder has all that reading takes."""
        return {TEXT, PROJECTION, VOCABULARY} <= self.files.keys()

    @property
    def has_stale_projection(self) -> bool:
        """Whether the text projection was fitted on other visual weights than the folder's: then it says nothing."""
        return PROJECTION in self.files and self.files[PROJECTION].fitted_on != self.visual.sha256

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
    if version not in (1, FORMAT_VERSION):
        raise CheckpointError(
            f"{path}: format_version is {version!r}, this Touchstone reads 1 and {FORMAT_VERSION}: "
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
            mark_size=tuple(recipe["mark_size"]) if recipe.get("mark_size") else None,
        )
        entries = {VISUAL: document} if version == 1 else document["files"]
        files = {str(role): _read_entry(folder, entry) for role, entry in entries.items()}
        return Manifest(
            folder=folder,
            preprocessing=preprocessing,
            dim=int(document["dim"]),
            files={VISUAL: files[VISUAL]} | files,
            **{key: str(document[key]) for key in ("name", "version", "dtype")},
        )
    except (AttributeError, KeyError, TypeError, ValueError, ModelError) as error:
        raise CheckpointError(f"{path}: {error!r} breaks the manifest's format: {_RESTORE}") from error


def read_file(file: ModelFile) -> bytes:
    """Read a file of a model folder and compare its sha256."""
    try:
        data = file.path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{file.path}: cannot be read ({error.strerror}): {file.remedy}") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != file.sha256:
        raise CheckpointError(
            f"{file.path}: {len(data)} bytes with sha256 {actual}, "
            f"but {file.path.parent / MANIFEST} names {file.sha256}: {file.remedy}"
        )
    return data


def load_weights(file: ModelFile) -> dict[str, torch.Tensor]:
    """Read weights, compare their sha256, and only then parse them: tensors on the CPU by name."""
    import safetensors
    import safetensors.torch

    data = read_file(file)
    try:
        return safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{file.path}: is not a safetensors file ({error}): {file.remedy}") from error


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
            f"{manifest.folder}: the weights do not fit {manifest.config}: {'; '.join(sorted(faults)[:3])} "
            f"({len(faults)} tensors in all): {_RESTORE}"
        )


_RESTORE = "restore the model folder (`git restore vision/models`, or install Touchstone again)"


def _read_entry(folder: Path, entry: Mapping[str, Any]) -> ModelFile:
    return ModelFile(
        path=folder / Path(str(entry["file"])).name,  # nothing outside the folder
        fitted_on=entry.get("fitted_on"),
        **{key: str(entry[key]) for key in ("sha256", "licence", "source", "remake")},
    )


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
