"""What training sees: artwork, the world it is rendered into, and the targets drawn from it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.artworks import Artwork
from training.camera import expose
from training.finder_task import targets_of
from training.grounds import Grounds
from training.scenes import Studio
from training.wordmarks import Wordmarks, installed_fonts
from training.world import photograph


def disc(name: str = "icon/disc") -> Artwork:
    """Draw a filled circle: the simplest mark."""
    coverage = np.zeros((80, 80), np.uint8)
    cv2.circle(coverage, (40, 40), 39, 255, -1)
    return Artwork(
        name=name, brand=name, colour=np.full((80, 80, 3), 200, np.uint8), coverage=coverage, one_colour=True
    )


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    """Furnish a studio with two marks, one photo and whatever fonts are installed."""
    photo = tmp_path_factory.mktemp("photos") / "one.png"
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8))
    return Studio([disc("icon/one"), disc("icon/other")], Wordmarks(installed_fonts()), Grounds([Path(photo)]))


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_where_the_picture_changed(seed: int) -> None:
    """Outside the mark's surroundings the ground is untouched, and inside the box it is not."""
    ground = np.full((160, 160, 3), 120, np.uint8)

    picture, box = photograph(disc(), ground, np.random.default_rng(seed), longest=60)

    assert box is not None
    x1, y1, x2, y2 = box
    assert (picture[y1:y2, x1:x2] != ground[y1:y2, x1:x2]).any()
    far = np.ones((160, 160), bool)
    far[max(y1 - 45, 0) : y2 + 45, max(x1 - 45, 0) : x2 + 45] = False
    assert (picture[far] == ground[far]).all()


def test_one_seed_makes_one_picture(studio: Studio) -> None:
    """The same generator state gives the same scene and views, so that a run can be resumed."""
    one, other = (studio.scene(96, np.random.default_rng(5)) for _ in range(2))

    assert (one.picture == other.picture).all()
    assert (one.boxes == other.boxes).all()
    views = [studio.view(disc(), 64, np.random.default_rng(7)) for _ in range(2)]
    assert (views[0] == views[1]).all()


def test_pairs_are_of_different_brands(studio: Studio) -> None:
    """No brand stands twice in a step, and invented names that look alike are among them."""
    one, other, names = studio.pairs(6, 48, np.random.default_rng(1))

    assert len(set(names)) == len(names) == len(one) == len(other) == 6
    assert {view.shape for view in (*one, *other)} == {(48, 48, 3)}
    assert sum(name.startswith("word/") for name in names) == 4


def test_look_alikes_differ_in_a_letter() -> None:
    """A family of invented names has one style, and no name twice."""
    family = Wordmarks(installed_fonts()).family(np.random.default_rng(2), 4)

    assert len({each.coverage.tobytes() for each in family}) == 4
    assert max(max(each.coverage.shape) for each in family) <= 192


def test_the_camera_keeps_size_and_type() -> None:
    """Whatever happens to the light, a photo stays a photo."""
    picture = np.full((50, 70, 3), 90, np.uint8)

    for seed in range(20):
        shot = expose(picture, np.random.default_rng(seed))
        assert shot.shape == picture.shape
        assert shot.dtype == np.uint8


def test_targets_mark_the_middle_of_each_box() -> None:
    """Each box has one place of exactly 1 on the map, and that place holds the box."""
    boxes = np.array([[16, 24, 48, 56], [70, 8, 90, 20]], np.int32)

    centres, sides = targets_of(boxes, 96)

    rows, columns = np.nonzero(centres[0] == 1)
    assert {(int(row), int(column)) for row, column in zip(rows, columns, strict=True)} == {(5, 4), (1, 10)}
    assert sides[:, 5, 4].tolist() == [16, 24, 48, 56]
    assert sides[:, 1, 10].tolist() == [70, 8, 90, 20]
