"""The test scenes of `eval marks`: the mark inside, 2 to 30% of the photo, tilted, and always the same."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from training.mark_scenes import AREA, LONGEST_EDGE, draw_scene, enlarged, place_quad

SQUARE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M2 2h20v20H2z"/></svg>'
RED = (200, 20, 30)


def ground(*, height: int = 256, width: int = 192, level: int = 128) -> NDArray[np.uint8]:
    """Make a plain grey photo."""
    return np.full((height, width, 3), level, np.uint8)


def pixels_of(jpeg: bytes) -> NDArray[np.uint8]:
    """Decode a scene."""
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


@pytest.mark.parametrize("aspect", [0.2, 1.0, 4.0])
def test_a_mark_lies_inside_the_photo_and_covers_2_to_30_percent(aspect: float) -> None:
    """Over 200 draws every corner is inside; areas span most of the range, less only where a long mark cannot fit."""
    rng = np.random.default_rng(0)
    shape = (480, 360)

    quads = [place_quad(shape, aspect, rng) for _ in range(200)]

    shares = np.array([cv2.contourArea(quad) / (shape[0] * shape[1]) for quad in quads])
    assert all((quad >= -0.01).all() and (quad <= [360.01, 480.01]).all() for quad in quads)
    assert shares.min() >= AREA[0] * 0.99
    assert shares.max() <= AREA[1] * 1.01
    assert shares.min() < 0.025
    assert shares.max() > (0.2 if aspect == 1.0 else 0.08)


def test_a_mark_is_tilted_by_up_to_45_degrees() -> None:
    """The upper edge of a square mark points anywhere within 45 degrees of level, and perspective shortens edges."""
    rng = np.random.default_rng(1)

    quads = [place_quad((480, 480), 1.0, rng) for _ in range(300)]

    edges = np.array([quad[1] - quad[0] for quad in quads])
    angles = np.degrees(np.arctan2(edges[:, 1], edges[:, 0]))
    lengths = np.array([np.linalg.norm(quad - np.roll(quad, 1, axis=0), axis=1) for quad in quads])
    assert 30 < np.abs(angles).max() < 55  # perspective adds a few degrees to the tilt itself
    assert (lengths.max(axis=1) / lengths.min(axis=1)).max() > 1.3


@pytest.mark.parametrize("level", [0, 128, 255])
def test_the_box_frames_what_differs_from_the_photo(level: int) -> None:
    """On a plain ground of any brightness the mark is visible, inside its box and nowhere else."""
    photo = ground(level=level)

    scene = draw_scene(photo, SQUARE, RED, np.random.default_rng(3))

    pixels = pixels_of(scene.jpeg)
    differs = np.abs(pixels.astype(int) - level).max(axis=2) > 20
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    height, width = differs.shape
    found = (columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height)
    assert max(height, width) == LONGEST_EDGE
    assert found == pytest.approx((scene.box.x1, scene.box.y1, scene.box.x2, scene.box.y2), abs=0.02)


def test_the_same_seed_draws_the_same_scene() -> None:
    """Scenes are reproducible to the byte, and another seed draws another one."""
    scenes = [draw_scene(ground(), SQUARE, RED, np.random.default_rng(seed)) for seed in (5, 5, 6)]

    assert scenes[0].jpeg == scenes[1].jpeg
    assert scenes[0].jpeg != scenes[2].jpeg


def test_photos_of_any_size_become_scenes_of_one_size() -> None:
    """Small photos are enlarged and large ones reduced, aspect kept."""
    assert enlarged(ground(height=256, width=192)).shape == (480, 360, 3)
    assert enlarged(ground(height=900, width=1200)).shape == (360, 480, 3)
