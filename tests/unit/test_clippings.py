"""Clippings: what a finder is sure of, cut out of photos anew for each view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.clippings import Clippings
from vision.finder import GridFinder
from vision.regions import Box, Region

RED, GREY = (220, 20, 20), (128, 128, 128)


class SureFinder(GridFinder):
    """Names a large box that it is sure of, one that it doubts, and one of a few pixels."""

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name the same boxes in each photo."""
        boxes = ((Box(0.25, 0.25, 0.75, 0.75), 0.9), (Box(0, 0, 0.5, 0.5), 0.01), (Box(0.9, 0.9, 0.95, 0.95), 0.9))
        return [tuple(Region(box, "mark", confidence=confidence) for box, confidence in boxes) for _ in photos]


def photo() -> NDArray[np.uint8]:
    """Paint a red square in the middle of grey, uint8 [160, 200, 3]."""
    pixels = np.full((160, 200, 3), GREY, np.uint8)
    pixels[40:120, 50:150] = RED
    return pixels


def test_only_what_is_sure_and_large_enough_is_kept() -> None:
    """A doubtful box is no mark, and one of a few pixels teaches nothing."""
    assert len(Clippings.find([photo()] * 20, SureFinder())) == 20


def test_views_show_the_clipping_each_time_differently() -> None:
    """Most of a view is what was found; the same generator gives the same view."""
    clippings = Clippings.find([photo()], SureFinder())

    views = [clippings.view(0, 64, np.random.default_rng(seed)) for seed in range(8)]

    assert all(view.shape == (64, 64, 3) and view.dtype == np.uint8 for view in views)
    redness = [float((view[..., 0].astype(int) - view[..., 1]).mean()) for view in views]
    assert np.median(redness) > 60
    assert len({view.tobytes() for view in views}) == len(views)
    assert np.array_equal(views[3], clippings.view(0, 64, np.random.default_rng(3)))
