"""Which models and devices can be named, and what a refusal says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from vision.clip import load_embedder, resolve_device
from vision.errors import CheckpointError, ModelError
from vision.preprocessing import Interpolation, Preprocessing, ResizeMode, prepare


@pytest.mark.parametrize(
    ("model", "remedy"),
    [
        ("no-such-model", "touchstone-s"),
        ("ViT-B-32", "ViT-B-32@FILE"),
        ("ViT-B-32@laion2b_s34b_b79k", "downloads are off"),
        ("hf-hub:nobody/nothing", "downloads are off"),
    ],
)
def test_a_model_that_cannot_be_had_says_what_to_write(model: str, remedy: str) -> None:
    """An unknown name, a name without weights and a download that nobody allowed are refused with the remedy."""
    with pytest.raises(ModelError, match=remedy):
        load_embedder(model, device="cpu")


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    """A checkpoint file that is not there is refused by its path."""
    with pytest.raises(CheckpointError, match=r"vit\.pt"):
        load_embedder("ViT-B-32", checkpoint=tmp_path / "vit.pt", device="cpu")


def test_a_checkpoint_of_rubbish_is_named(tmp_path: Path) -> None:
    """A file that is no checkpoint is refused by its path, whatever the library below makes of it."""
    path = tmp_path / "vit.pt"
    path.write_bytes(b"rubbish" * 100)

    with pytest.raises(CheckpointError, match=r"vit\.pt"):
        load_embedder(f"ViT-S-32@{path}", device="cpu")


def test_a_checkpoint_file_loads_into_an_open_clip_network(tmp_path: Path) -> None:
    """Weights saved by open_clip's own naming come back through `NAME@FILE`, with a fingerprint of their own."""
    network = open_clip.create_model("ViT-S-32")
    path = tmp_path / "vit.pt"
    torch.save(network.state_dict(), path)

    embedder = load_embedder(f"ViT-S-32@{path}", device="cpu")

    assert embedder.dim == 384
    assert embedder.fingerprint.startswith("ViT-S-32@")


def test_a_model_with_text_embeds_words_into_the_same_space() -> None:
    """A model with a text tower gives unit rows as long as those of crops; no prompts give no rows."""
    embedder = load_embedder("ViT-S-32@random", device="cpu")

    rows = embedder.embed_text(["a shoe", "a hat"])

    assert rows.shape == (2, embedder.dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert embedder.embed_text([]).shape == (0, embedder.dim)


def test_random_weights_leave_the_callers_random_numbers_alone() -> None:
    """Building a network with random weights neither uses nor moves torch's global generator."""
    torch.manual_seed(7)
    expected = torch.rand(3)

    torch.manual_seed(7)
    load_embedder("ViT-S-32@random", device="cpu")

    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "CPU"])
def test_a_device_that_is_not_here_is_refused(device: str) -> None:
    """An unknown or absent device is refused with the choices of this machine."""
    with pytest.raises(ModelError, match="choose auto or one of cpu"):
        resolve_device(device)


def test_no_threads_and_empty_batches_are_refused() -> None:
    """Zero threads and batches of no crops are refused before any weights are read."""
    with pytest.raises(ModelError, match="threads is 0"):
        load_embedder(device="cpu", threads=0)
    with pytest.raises(ModelError, match="batch_size is 0"):
        load_embedder(device="cpu", batch_size=0)


@pytest.mark.parametrize("mode", list(ResizeMode))
def test_every_resize_mode_fits_every_shape(mode: ResizeMode) -> None:
    """Extreme shapes, too, become the network's input, and without a giant in between."""
    recipe = Preprocessing(size=(32, 64), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), resize_mode=mode)
    crops = [np.full((height, width, 3), 255, np.uint8) for height, width in [(1, 1), (1, 5000), (5000, 1), (40, 60)]]

    images = prepare(crops, recipe)

    assert images.shape == (4, 3, 32, 64)
    assert images.max() == 1


def test_longest_pads_and_shortest_cuts() -> None:
    """Hand-checked on a crop of black, white, black: padding keeps the black ends, cutting leaves only white."""
    crop = np.zeros((32, 96, 3), np.uint8)
    crop[:, 32:64] = 255
    longest, shortest = (
        prepare([crop], Preprocessing((32, 32), (0, 0, 0), (1, 1, 1), Interpolation.BILINEAR, mode, fill=255))[0, 0]
        for mode in (ResizeMode.LONGEST, ResizeMode.SHORTEST)
    )

    assert shortest.min() == 1
    assert longest[0].min() == 1  # padding
    assert longest[16].min() == 0  # the black ends
