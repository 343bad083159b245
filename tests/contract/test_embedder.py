"""What every embedder promises: the fake, the shipped model, here and in a Triton server, and a random one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.support.triton import find_wheel, triton_server
from training.triton_config import Serving
from training.triton_repository import write_repository
from vision.clip import TorchEmbedder, load_embedder
from vision.embedder import Embedder, TextEmbedder
from vision.fake import FakeEmbedder
from vision.networks import DEFAULT_MODEL, load_network
from vision.triton.connection import Connection, Server
from vision.triton.embedder import TritonEmbedder
from vision.triton.naming import IMAGES, MARKS

# Batched matrix products and convolutions add in another order than single ones; float32 keeps 7 digits, and some fifty
# layers may lose three of them. A row that saw its batch mates (say, through batch statistics) would be off by 1e-2.
BATCH_TOLERANCE = 1e-4


BATCH = 5  # so small that the eight crops need two


@pytest.fixture(scope="module", params=["fake", "touchstone-s", "triton", "ViT-B-32@random"])
def embedder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedder]:
    """One embedder of each kind, on the CPU."""
    name: str = request.param
    if name == "fake":
        yield FakeEmbedder()
    elif name == "triton":
        find_wheel()
        folder = tmp_path_factory.mktemp("triton")
        models = folder / "models"
        write_repository(models, load_network(DEFAULT_MODEL, downloads=False), Serving(batch_size=BATCH, threads=1))
        with triton_server(models, folder, roles=[IMAGES, MARKS]) as server:
            connection = Connection(Server(url=server.url))
            yield TritonEmbedder(load_network(DEFAULT_MODEL, downloads=False), connection)
            connection.close()
    else:
        yield load_embedder(name, device="cpu", batch_size=BATCH)


def reader_of(embedder: Embedder) -> TextEmbedder:
    """Return the text side of an embedder that has both."""
    return cast("TextEmbedder", embedder)


def photo(*, height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Draw a smooth coloured pattern with edges: uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    waves = [np.sin(x * random.uniform(3, 30) + y * random.uniform(3, 30) + random.uniform(0, 6)) for _ in range(3)]
    pixels: NDArray[np.uint8] = (127.5 + 127 * np.cbrt(np.stack(waves, axis=2))).astype(np.uint8)
    return pixels


SIZES = [(240, 320), (320, 240), (64, 64), (1, 1), (1, 400), (400, 1), (240, 320), (33, 500)]


@pytest.fixture(scope="module")
def crops() -> list[NDArray[np.uint8]]:
    """Crops of several sizes, two of them of one size."""
    return [photo(height=height, width=width, seed=seed) for seed, (height, width) in enumerate(SIZES)]


def test_rows_are_unit_float32(embedder: Embedder, crops: list[NDArray[np.uint8]]) -> None:
    """Crops of any size, one pixel included, become float32 rows of length 1 and of the length that `dim` says."""
    rows = embedder.embed(crops)

    assert rows.dtype == np.float32
    assert rows.shape == (len(crops), embedder.dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_no_crops_give_no_rows(embedder: Embedder) -> None:
    """An empty batch is answered with shape [0, dim], not with an error."""
    rows = embedder.embed([])

    assert rows.shape == (0, embedder.dim)
    assert rows.dtype == np.float32


def test_same_crops_same_rows(embedder: Embedder, crops: list[NDArray[np.uint8]]) -> None:
    """Embedding is deterministic: the same call gives the same bits."""
    first = embedder.embed(crops)
    second = embedder.embed(crops)

    np.testing.assert_array_equal(first, second)


def test_row_does_not_depend_on_batch_mates(embedder: Embedder, crops: list[NDArray[np.uint8]]) -> None:
    """A crop's row is the same alone, among others, and where a batch is cut in two."""
    alone = np.concatenate([embedder.embed([crop]) for crop in crops])

    together = embedder.embed(crops)

    np.testing.assert_allclose(together, alone, atol=BATCH_TOLERANCE)


def test_near_copy_is_nearer_than_another_picture(embedder: Embedder) -> None:
    """A slightly brighter copy of a crop is more similar to it than a different picture is."""
    original = photo(height=200, width=200, seed=1)
    brighter = np.clip(original.astype(np.int16) + 6, 0, 255).astype(np.uint8)
    other = photo(height=200, width=200, seed=2)

    rows = embedder.embed([original, brighter, other])

    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_each_crop_costs_a_forward(embedder: Embedder, crops: list[NDArray[np.uint8]]) -> None:
    """Whatever its size, a crop fills the network's input once; no crops cost nothing."""
    before = embedder.forwards

    embedder.embed(crops)
    embedder.embed([])

    assert embedder.forwards - before == len(crops)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_crops_have_vectors(embedder: Embedder, level: int) -> None:
    """A crop of one grey level (a white background, say) is embedded like any other."""
    rows = embedder.embed([np.full((40, 50, 3), level, np.uint8)])

    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_views_embed_like_copies(embedder: Embedder) -> None:
    """A crop cut as a view of a larger, read-only image needs no copying by the caller."""
    image = photo(height=200, width=300, seed=3)
    image.setflags(write=False)
    view = image[20:120:1, 50:250]

    rows = embedder.embed([view, np.ascontiguousarray(view)])

    np.testing.assert_allclose(rows[0], rows[1], atol=BATCH_TOLERANCE)


@pytest.mark.parametrize(
    "crop",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
    ids=["grey without channels", "with alpha", "float", "no pixels"],
)
def test_what_is_no_crop_is_refused(embedder: Embedder, crop: NDArray[np.uint8]) -> None:
    """Anything but uint8 [H, W, 3] is refused, and the message says which crop and what it was."""
    with pytest.raises(ValueError, match="crop 1 is"):
        embedder.embed([np.zeros((4, 4, 3), np.uint8), crop])


def test_words_are_unit_float32_rows_among_the_pictures(embedder: Embedder) -> None:
    """Prompts of any length and script become float32 rows of length 1, as long as those of crops; none give none."""
    prompts = ["a shoe", "", "鞋", "leather " * 400]

    rows = reader_of(embedder).embed_text(prompts)

    assert rows.dtype == np.float32
    assert rows.shape == (len(prompts), embedder.dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert reader_of(embedder).embed_text([]).shape == (0, embedder.dim)


def test_a_prompts_row_does_not_depend_on_batch_mates(embedder: Embedder) -> None:
    """A prompt's row is the same alone and beside longer ones, to which it is padded."""
    prompts = ["a shoe", "a pair of brown leather shoes with laces, worn twice", "a hat", "hats", "x", "socks"]
    alone = np.concatenate([reader_of(embedder).embed_text([prompt]) for prompt in prompts])

    together = reader_of(embedder).embed_text(prompts)

    np.testing.assert_allclose(together, alone, atol=BATCH_TOLERANCE)


def test_like_words_are_near(embedder: Embedder) -> None:
    """Words of almost the same spelling are nearer than quite other ones."""
    if embedder.fingerprint.startswith("ViT-B-32-random"):
        pytest.skip("random weights know no words")

    rows = reader_of(embedder).embed_text(["running shoe", "running shoes", "frying pan"])

    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert reader_of(embedder).fingerprint == embedder.fingerprint


def test_fingerprint_names_the_space(embedder: Embedder) -> None:
    """A fingerprint is `name@hex`, so that a person can read which model made a vector."""
    name, _, digest = embedder.fingerprint.rpartition("@")

    assert name
    assert int(digest, 16) >= 0


def test_fingerprint_is_the_same_each_time() -> None:
    """Loading a model again gives the same fingerprint, random weights included, and other weights give another."""
    names = ["touchstone-s", "ViT-B-32@random"]

    first = [load_embedder(name, device="cpu").fingerprint for name in names]
    second = [load_embedder(name, device="cpu").fingerprint for name in names]

    assert first == second
    assert len(set(first)) == len(names)


@pytest.mark.gpu
def test_gpu_agrees_with_cpu(crops: list[NDArray[np.uint8]]) -> None:
    """The same weights answer alike on a GPU; it resizes in float and may use TF32, hence cosines and not bits."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU here")
    cpu: TorchEmbedder = load_embedder(device="cpu")
    gpu: TorchEmbedder = load_embedder(device="cuda")

    cosines = (cpu.embed(crops) * gpu.embed(crops)).sum(axis=1)

    assert gpu.fingerprint == cpu.fingerprint
    assert cosines.min() > 0.999
