"""Boxes, cutting them out, and the regions that are proposed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.regions import WHOLE_IMAGE, Box, crop

edges = st.integers(1, 3000)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Draw a valid box, thin ones included."""
    x1, x2 = sorted(draw(st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True)))
    y1, y2 = sorted(draw(st.lists(st.floats(0, 1), min_size=2, max_size=2, unique=True)))
    return Box(x1, y1, x2, y2)


@pytest.mark.parametrize(
    "corners",
    [(0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (0, 0.6, 1, 0.5), (-0.1, 0, 1, 1), (0, 0, 1.1, 1), (math.nan, 0, 1, 1)],
    ids=["no width", "x swapped", "y swapped", "left of the image", "right of the image", "not a number"],
)
def test_what_is_no_box_is_refused(corners: tuple[float, float, float, float]) -> None:
    """A box has relative corners inside the image, in order; the message says so."""
    with pytest.raises(ValueError, match="0 <= x1 < x2 <= 1"):
        Box(*corners)


def test_area_centre_and_overlap_of_known_boxes() -> None:
    """Hand-checked: two quarter boxes that share a sixteenth of the image."""
    left, right = Box(0, 0, 0.5, 0.5), Box(0.25, 0.25, 0.75, 0.75)

    assert left.area == 0.25
    assert right.centre == (0.5, 0.5)
    assert left.iou(right) == pytest.approx((1 / 16) / (2 / 4 - 1 / 16))


def test_a_grown_box_has_context_but_stays_in_the_image() -> None:
    """Hand-checked: a fifth more on the whole, half of it on each side, cut where the image ends."""
    grown = Box(0, 0.4, 0.5, 0.6).grown(0.2)

    assert (grown.x1, grown.y1, grown.x2, grown.y2) == pytest.approx((0, 0.38, 0.55, 0.62))


def test_boxes_that_only_touch_do_not_overlap() -> None:
    """A common edge is no overlap."""
    assert Box(0, 0, 0.5, 1).iou(Box(0.5, 0, 1, 1)) == 0


@given(left=boxes(), right=boxes())
def test_overlap_is_symmetric_and_bounded(left: Box, right: Box) -> None:
    """Overlap is the same both ways and lies in 0..1; a box overlaps itself wholly unless its area vanishes."""
    assert 0 <= left.iou(right) <= 1 + 1e-9
    assert left.iou(right) == pytest.approx(right.iou(left))


@given(box=boxes(), width=st.integers(1, 60), height=st.integers(1, 60))
def test_a_crop_is_a_view_with_pixels(box: Box, width: int, height: int) -> None:
    """However thin the box and small the image, a crop has a pixel, shares the image's memory and covers the box."""
    pixels = np.zeros((height, width, 3), np.uint8)

    cut = crop(pixels, box)

    assert min(cut.shape) >= 1
    assert np.shares_memory(cut, pixels)
    assert cut.shape[1] >= math.floor((box.x2 - box.x1) * width)
    assert cut.shape[0] >= math.floor((box.y2 - box.y1) * height)


def test_a_crop_has_the_pixels_of_its_box() -> None:
    """Hand-checked: the middle third of nine pixels is pixels 3, 4 and 5, with no neighbour through rounding."""
    pixels = np.repeat(np.arange(9, dtype=np.uint8)[None, :, None], 3, axis=2)

    cut = crop(pixels, Box(1 / 3, 0, 2 / 3, 1))

    assert cut[0, :, 0].tolist() == [3, 4, 5]


def test_the_whole_image_crops_to_itself() -> None:
    """The whole-image box loses nothing."""
    pixels = np.zeros((7, 5, 3), np.uint8)

    assert crop(pixels, WHOLE_IMAGE).shape == pixels.shape


def test_the_share_of_a_box_within_another() -> None:
    """A box lies in a larger one whole, in a smaller one in part, and in one beside it not at all."""
    small, large = Box(0.0, 0.0, 0.25, 0.5), Box(0.0, 0.0, 0.5, 0.5)

    assert small.share_within(large) == 1.0
    assert large.share_within(small) == 0.5
    assert small.share_within(Box(0.5, 0.5, 1.0, 1.0)) == 0.0
