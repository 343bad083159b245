"""A background keeps its photos' embeddings in few bits, and is never taken for another model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vision.background import FILE, Background
from vision.errors import CheckpointError, ModelError

DIM = 65  # odd: two numbers share a byte
FINGERPRINT = "model@1"


def unit(count: int, *, signed: bool, seed: int = 0) -> NDArray[np.float32]:
    """Draw unit rows."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    rows = rows if signed else np.abs(rows)
    made: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return made


def a_background(*, signed: bool = True, fingerprint: str = FINGERPRINT) -> Background:
    """Make one of four photos with one to three regions, and two shapes."""
    return Background(
        fingerprint=fingerprint,
        photos=unit(4, signed=signed),
        regions=unit(8, signed=signed, seed=1),
        owners=np.array([0, 0, 0, 1, 2, 2, 3, 3]),
        shapes=unit(2, signed=signed, seed=2),
        names=("a square", "a circle"),
        source="drawn by lot",
    )


@pytest.mark.parametrize("signed", [True, False])
def test_saved_background_is_nearly_the_same(tmp_path: Path, *, signed: bool) -> None:
    """Read back, words and numbers of regions are equal, and vectors point where they did."""
    made = a_background(signed=signed)

    made.save(tmp_path / FILE)
    found = Background.load(tmp_path / FILE, fingerprint=FINGERPRINT)

    assert found is not None
    assert (found.names, found.source, found.owners.tolist()) == (made.names, made.source, made.owners.tolist())
    for name in ("photos", "regions", "shapes"):
        kept, given = getattr(found, name), getattr(made, name)
        assert kept.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1.0, rtol=1e-5)
        assert ((kept * given).sum(axis=1) > 0.985).all()


def test_photo_is_as_similar_as_its_best_region() -> None:
    """A mark is compared with every region of a photo, a product with the photo; any view may be the similar one."""
    made = a_background()
    views = np.stack([made.regions[4], made.photos[3]])

    marks, products = (made.similarities(views, marks=marks) for marks in (True, False))

    assert marks.shape == products.shape == (4,)
    assert int(marks.argmax()) == 2
    assert marks[2] == pytest.approx(1.0)
    assert products[3] == pytest.approx(1.0)
    assert marks[0] == pytest.approx((made.regions[:3] @ views.T).max(), abs=1e-6)


def test_likest_shape_is_named() -> None:
    """The shape that one of the views is most similar to, and how similar it is."""
    made = a_background()

    name, similarity = made.likest_shape(np.stack([-made.shapes[0], made.shapes[1]]))

    assert name == "a circle"
    assert similarity == pytest.approx(1.0)


def test_damaged_background_is_refused(tmp_path: Path) -> None:
    """A changed number, a cut file and noise are refused, with the file's name and what to do."""
    path = tmp_path / FILE
    a_background().save(path)
    whole = path.read_bytes()

    for content in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[: len(whole) // 2], b"noise", b""):
        path.write_bytes(content)
        with pytest.raises(
            CheckpointError, match=r"background\.safetensors: no background can be read.*write it again"
        ):
            Background.load(path, fingerprint=FINGERPRINT)


def test_background_of_another_model_is_never_used(tmp_path: Path) -> None:
    """Asked for by name it is refused; the installation's own is passed over after a change of the model."""
    a_background(fingerprint="other@2").save(tmp_path / FILE)

    with pytest.raises(ModelError, match="was made for other@2"):
        Background.load(tmp_path / FILE, fingerprint=FINGERPRINT)
    assert Background.for_model(FINGERPRINT, tmp_path) is None


def test_own_background_is_preferred(tmp_path: Path) -> None:
    """One in the data folder stands before the one that ships, and none is no error."""
    assert Background.for_model(FINGERPRINT, tmp_path) is None

    a_background().save(tmp_path / FILE)

    found = Background.for_model(FINGERPRINT, tmp_path)
    assert found is not None
    assert len(found) == 4


@pytest.mark.parametrize("owners", [[0, 0, 0, 1, 2, 2, 3], [0, 0, 1, 1, 2, 2, 2, 2], [1, 0, 0, 1, 2, 2, 3, 3]])
def test_parts_that_do_not_fit_are_refused(owners: list[int]) -> None:
    """Every photo has regions, in order, and every region has a photo."""
    made = a_background()

    with pytest.raises(ValueError, match="region"):
        Background(
            fingerprint=FINGERPRINT,
            photos=made.photos,
            regions=made.regions,
            owners=np.array(owners),
            shapes=made.shapes,
            names=made.names,
            source="",
        )
