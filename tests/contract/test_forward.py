"""What every forward path promises: the answers of the plain one, but for the last digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.contract.test_embedder import SIZES, photo
from vision import forward
from vision.clip import TorchEmbedder, load_embedder
from vision.cuda_forward import bucket_of
from vision.errors import ModelError
from vision.finder import load_finder
from vision.preprocessing import Preprocessing, for_marks, resize_here

Crops = Sequence[NDArray[np.uint8]]

LEAST_COSINE = 0.999
EXACT = ("channels_last", "openvino")
MODELS = ("touchstone-s", "ViT-S-32@random")
# Of a box's corners, in shares of the photo's edge, and of its confidence.
FINDER_TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def crops() -> Crops:
    """Crops of several sizes."""
    return [photo(height=height, width=width, seed=seed) for seed, (height, width) in enumerate(SIZES)]


@pytest.fixture(scope="module", params=MODELS)
def plain(request: pytest.FixtureRequest) -> tuple[str, TorchEmbedder]:
    """Name a model, and load its embedder by the plain path."""
    return request.param, load_embedder(request.param, device="cpu", path="eager")


@pytest.mark.parametrize("path", EXACT)
def test_embeddings_are_those_of_the_plain_path(plain: tuple[str, TorchEmbedder], crops: Crops, path: str) -> None:
    """Whole photos and marks lie within a cosine of 0.999 of float32, under the same fingerprint."""
    model, expected = plain
    embedder = load_embedder(model, device="cpu", path=path)

    wholes = np.einsum("ij,ij->i", embedder.embed(crops), expected.embed(crops))
    marks = np.einsum("ij,ij->i", embedder.embed_marks(crops), expected.embed_marks(crops))

    assert wholes.min() >= LEAST_COSINE
    assert marks.min() >= LEAST_COSINE
    assert embedder.fingerprint == expected.fingerprint


def test_bfloat16_is_a_space_of_its_own(crops: Crops) -> None:
    """A transformer keeps close to float32 in it, but not every network does: it never passes for the same model."""
    plain, half = (load_embedder("ViT-S-32@random", device="cpu", path=path) for path in ("eager", "bfloat16"))

    assert np.einsum("ij,ij->i", half.embed(crops), plain.embed(crops)).min() >= LEAST_COSINE
    assert half.fingerprint != plain.fingerprint


@pytest.mark.parametrize("path", EXACT)
def test_boxes_are_those_of_the_plain_path(crops: Crops, path: str) -> None:
    """The finder names the same boxes as in plain float32."""
    photos = [photo(height=400, width=300, seed=seed) for seed in range(4)]

    expected, found = load_finder(path="eager").find(photos), load_finder(path=path).find(photos)

    assert [len(each) for each in found] == [len(each) for each in expected]
    for one, other in zip((r for each in found for r in each), (r for each in expected for r in each), strict=True):
        corners = [(r.box.x1, r.box.y1, r.box.x2, r.box.y2, r.confidence) for r in (one, other)]
        np.testing.assert_allclose(corners[0], corners[1], atol=FINDER_TOLERANCE)


@pytest.mark.parametrize("path", EXACT)
def test_pictures_are_normalised_as_the_recipe_says(crops: Crops, path: str) -> None:
    """Each channel has a mean and a deviation of its own, in as many pictures as there are, through every path."""
    recipe = Preprocessing((32, 64), (0.1, 0.4, 0.7), (0.2, 0.3, 0.5))
    many = [crops[number % len(crops)] for number in range(40)]  # more than pass at once

    answer = forward.through(torch.nn.AvgPool2d((32, 64)), path, device="cpu")(many, recipe)

    means = resize_here(many, recipe).astype(np.float64).mean(axis=(1, 2)) / 255
    expected = (means - recipe.mean) / recipe.std
    np.testing.assert_allclose(answer.numpy()[:, :, 0, 0], expected, atol=1e-4)  # AvgPool adds up in float32


def test_openvino_survives_a_crop_that_cannot_be_resized(crops: Crops) -> None:
    """What fails before the network leaves nothing under way: the next answers are those of a fresh one."""
    embedder = load_embedder(device="cpu", path="openvino")
    expected = embedder.embed_marks(crops)
    broken = np.zeros((0, 5, 3), np.uint8)

    for _ in range(3):
        with pytest.raises(RuntimeError):
            embedder._see_marks([*crops, *crops, broken], for_marks(embedder.preprocessing))

    np.testing.assert_array_equal(embedder.embed_marks(crops), expected)


def test_openvino_answers_alike_in_every_batch(crops: Crops) -> None:
    """Every bit of an answer is the same alone and among others: pictures pass in groups of one size."""
    embedder, finder = load_embedder(device="cpu", path="openvino"), load_finder(path="openvino")

    rows, marks, found = embedder.embed(crops), embedder.embed_marks(crops), finder.find(crops)

    np.testing.assert_array_equal(rows, np.concatenate([embedder.embed([crop]) for crop in crops]))
    np.testing.assert_array_equal(marks, np.concatenate([embedder.embed_marks([crop]) for crop in crops]))
    assert found == [regions for crop in crops for regions in finder.find([crop])]


def test_openvino_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling a network starts nothing that would tell OpenVINO's makers of it."""
    import openvino_telemetry

    def told(*_: object, **__: object) -> None:
        raise AssertionError("telemetry was started")

    monkeypatch.setattr(openvino_telemetry.Telemetry, "__init__", told)
    monkeypatch.setattr(openvino_telemetry.Telemetry, "send_event", told)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten())
    recipe = Preprocessing((32, 32), (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    see = forward.through(network, "openvino", device="cpu")

    assert see([photo(height=50, width=40, seed=0)] * 3, recipe).shape == (3, 2 * 30 * 30)


def test_a_path_that_does_not_fit_is_refused() -> None:
    """A path of another device, or none at all, is refused with the choices; `auto` always means one."""
    with pytest.raises(ModelError, match="choose auto or one of eager"):
        forward.choose_path("warp", "cpu")
    with pytest.raises(ModelError, match="does not run on cpu"):
        forward.choose_path("cuda", "cpu")
    with pytest.raises(ModelError, match="does not run on cuda:0"):
        forward.choose_path("openvino", "cuda:0")

    assert forward.choose_path("auto", "cpu") == "openvino"
    assert forward.choose_path("auto", "cuda:0") == "channels_last"


def test_without_openvino_a_cpu_has_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the package is missing, `auto` is torch, and to ask for it is refused with what to install."""
    monkeypatch.setattr(forward, "_has_openvino", lambda: False)

    assert forward.choose_path("auto", "cpu") == "channels_last"
    with pytest.raises(ModelError, match="install the extra 'cpu'"):
        forward.choose_path("openvino", "cpu")


def test_a_batch_is_filled_up_to_the_next_bucket() -> None:
    """Each count has the smallest fixed size that holds it."""
    assert [bucket_of(count) for count in (1, 2, 3, 5, 16, 17, 32)] == [1, 2, 4, 8, 16, 32, 32]


@pytest.mark.gpu
@pytest.mark.parametrize("count", [1, 3, 40])
def test_gpu_graphs_agree_with_the_plain_path(crops: Crops, count: int) -> None:
    """In float16 by CUDA graphs, whatever bucket a batch is filled up to, cosines to float32 hold."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA GPU here")
    many = [crops[number % len(crops)] for number in range(count)]

    rows = load_embedder(device="cuda", path="cuda").embed(many)

    expected = load_embedder(device="cpu", path="eager").embed(many)
    assert np.einsum("ij,ij->i", rows, expected).min() >= LEAST_COSINE
