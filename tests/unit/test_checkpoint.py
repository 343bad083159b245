"""A model folder that is not what its manifest says is refused, and the message says which file and what to run."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from vision.checkpoint import (
    MODELS,
    PROJECTION,
    TEXT,
    VISUAL,
    VOCABULARY,
    check_names,
    load_weights,
    read_config,
    read_manifest,
    shipped_models,
)
from vision.clip import load_embedder
from vision.errors import CheckpointError, UnsupportedByModel

NAME = "touchstone-s"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the shipped model folder, to be damaged."""
    return Path(shutil.copytree(MODELS / NAME, tmp_path / NAME))


def edit_manifest(folder: Path, **changes: object) -> None:
    """Change fields of a folder's manifest."""
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_file(folder: Path, role: str, **changes: object) -> None:
    """Change what a folder's manifest says of one of its files."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit_manifest(folder, files=files | {role: files[role] | changes})


def test_the_shipped_model_is_whole() -> None:
    """The manifest in the repository names the files in the repository, their licence and their source."""
    manifest = read_manifest(MODELS / NAME)

    visual, text = load_weights(manifest.visual), load_weights(manifest.files[TEXT])

    assert NAME in shipped_models()
    assert manifest.has_text_tower
    assert all(name.startswith("visual.") for name in visual)
    assert all(name.startswith("text.") for name in text)
    assert all(file.licence.startswith("Apache-2.0") and file.source for file in manifest.files.values())
    assert read_config(manifest)["embed_dim"] == manifest.dim


def test_the_shipped_model_is_small() -> None:
    """A checkout carries the whole model: at most 64 MiB, all files together."""
    files = [file.path for file in read_manifest(MODELS / NAME).files.values()]

    assert sum(path.stat().st_size for path in files) <= 64 * 2**20


def test_one_flipped_bit_is_found(folder: Path) -> None:
    """One flipped bit changes the sha256; the message has both hashes and the command that writes the folder."""
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(CheckpointError) as caught:
        load_embedder(str(folder), device="cpu")

    message = str(caught.value)
    assert str(path) in message
    assert read_manifest(folder).visual.sha256 in message
    assert read_manifest(folder).visual.remake in message


def test_a_truncated_file_is_found(folder: Path) -> None:
    """A file that a full disk cut short is refused by name."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])

    with pytest.raises(CheckpointError, match=r"model\.safetensors: \d+ bytes with sha256"):
        load_embedder(str(folder), device="cpu")


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "text.safetensors",
        "text_projection.safetensors",
        "vocabulary.txt",
        "manifest.json",
        f"{NAME}.json",
    ],
)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    """Whichever file of the folder is missing, the message names it."""
    (folder / name).unlink()

    with pytest.raises(CheckpointError, match=f"{name}: cannot be read"):
        load_embedder(NAME, checkpoint=folder, device="cpu")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"], ids=["empty", "cut", "a list", "no fields"])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    """A manifest that is no JSON object with a format version is refused by name."""
    (folder / "manifest.json").write_text(text)

    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        read_manifest(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 3},
        {"files": {}},
        {"files": ["model.safetensors"]},
        {"dim": "many"},
        {"preprocessing": {}},
        {"preprocessing": {"size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1], "fill": 0}},
    ],
    ids=["format of the future", "no files", "files without roles", "dim no number", "no recipe", "recipe cut short"],
)
def test_a_manifest_that_breaks_the_format_is_refused(folder: Path, changes: dict[str, object]) -> None:
    """A manifest of another format version or with a broken field is refused by name."""
    edit_manifest(folder, **changes)

    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        read_manifest(folder)


def test_weights_that_are_no_safetensors_are_refused(folder: Path) -> None:
    """A file of another kind is refused even when the manifest names its hash: nothing unpickles it."""
    path = folder / "model.safetensors"
    path.write_bytes(b"no tensors in here")
    edit_file(folder, VISUAL, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    with pytest.raises(CheckpointError, match="is not a safetensors file"):
        load_weights(read_manifest(folder).visual)


def test_weights_of_another_network_are_refused(folder: Path) -> None:
    """Missing, surplus and misshapen tensors are named: nothing is loaded in part."""
    manifest = read_manifest(folder)
    expected = {"kept": torch.zeros(2), "missing": torch.zeros(1), "misshapen": torch.zeros(3)}
    found = {"kept": torch.zeros(2), "surplus": torch.zeros(1), "misshapen": torch.zeros(4)}

    with pytest.raises(CheckpointError) as caught:
        check_names(manifest, expected=expected, found=found)

    assert "misshapen has shape [4] instead of [3]" in str(caught.value)
    assert "missing is missing" in str(caught.value)
    assert "surplus is not of this network" in str(caught.value)


def test_a_configuration_of_another_network_is_refused(folder: Path) -> None:
    """A configuration that the weights do not fit is a checkpoint error, not a crash deep in a library."""
    path = folder / f"{NAME}.json"
    config = json.loads(path.read_text())
    config["vision_cfg"]["timm_model_name"] = "tf_efficientnet_lite1"
    path.write_text(json.dumps(config))

    with pytest.raises(CheckpointError, match=r"do not fit .*touchstone-s\.json"):
        load_embedder(str(folder), device="cpu")


def test_a_folder_elsewhere_is_the_same_model(folder: Path) -> None:
    """A verified copy of the folder loads from anywhere, with the same fingerprint."""
    assert load_embedder(str(folder), device="cpu").fingerprint == load_embedder(device="cpu").fingerprint


def test_the_weights_file_holds_tensors_only() -> None:
    """The shipped file parses with the numpy reader too: no code, no pickle, names in order."""
    tensors = safetensors.numpy.load_file(MODELS / NAME / "model.safetensors")

    assert "visual.trunk.conv_stem.weight" in tensors


def test_a_folder_of_format_version_1_still_sees(folder: Path) -> None:
    """A folder from before there were words, its one file named in the manifest itself, loads and embeds pictures."""
    manifest = json.loads((folder / "manifest.json").read_text())
    visual = manifest.pop("files")[VISUAL]
    (folder / "manifest.json").write_text(
        json.dumps(manifest | visual | {"format_version": 1, "has_text_tower": False})
    )

    embedder = load_embedder(str(folder), device="cpu")

    photo = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    shipped = load_embedder(device="cpu")
    np.testing.assert_array_equal(embedder.embed([photo]), shipped.embed([photo]))
    assert embedder.fingerprint != shipped.fingerprint, "it has no network for marks of its own"
    with pytest.raises(UnsupportedByModel, match="it has none"):
        embedder.embed_text(["a shoe"])


def test_a_projection_for_other_visual_weights_is_not_used(folder: Path) -> None:
    """After the visual weights were trained further words say nothing, until the command in the message has run."""
    edit_file(folder, PROJECTION, fitted_on="0" * 64)

    embedder = load_embedder(str(folder), device="cpu")

    with pytest.raises(UnsupportedByModel, match=r"other visual weights: run `python -m training\.fit_text`"):
        embedder.embed_text(["a shoe"])


@pytest.mark.parametrize("words", [b"\xff", b"[PAD]\n[UNK]\n", b"[UNK]\n[PAD]\n[CLS]\n[SEP]\n"])
def test_a_vocabulary_that_is_none_is_refused(folder: Path, words: bytes) -> None:
    """A vocabulary that is no text, or lacks what every sentence needs, is refused by name."""
    (folder / "vocabulary.txt").write_bytes(words)
    edit_file(folder, VOCABULARY, sha256=hashlib.sha256(words).hexdigest())

    with pytest.raises(CheckpointError, match=r"vocabulary\.txt"):
        load_embedder(str(folder), device="cpu")
