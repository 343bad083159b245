"""What is a part of a photo? Boxes, the regions that carry them, and cutting them out.

A mark is often 2% of a photo, so one embedding of the whole image drowns it; `vision.finder` says which parts to look
at. Boxes are relative, so that the same box holds for the decoded pixels, for the original upload and on a moderator's
screen.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
"""A place in an image, relative to its width and height; outside 0..1 beyond it."""

Outline = tuple[Point, Point, Point, Point]
"""Where the corners of a picture come to lie, clockwise from its upper left."""


@dataclass(frozen=True)
class Box:
    """An upright rectangle in relative image coordinates: x to the right, y downwards, both 0..1."""

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        # A comparison with NaN is false, so this refuses NaN as well.
        if not (0.0 <= self.x1 < self.x2 <= 1.0 and 0.0 <= self.y1 < self.y2 <= 1.0):
            raise ValueError(
                f"box ({self.x1}, {self.y1}, {self.x2}, {self.y2}) is not a box: "
                "give relative corners with 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1"
            )

    @property
    def area(self) -> float:
        """Share of the image that the box covers, 0..1."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the box as (x, y), 0..1."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def grown(self, share: float) -> Box:
        """Widen the box by `share` of its own size in all, half on each side, as far as the image goes."""
        across, down = (self.x2 - self.x1) * share / 2, (self.y2 - self.y1) * share / 2
        return Box(
            max(self.x1 - across, 0.0), max(self.y1 - down, 0.0), min(self.x2 + across, 1.0), min(self.y2 + down, 1.0)
        )

    def iou(self, other: Box) -> float:
        """Intersection over union with `other`, 0..1."""
        common = self._common(other)
        union = self.area + other.area - common
        return common / union if union else 0.0  # areas of 1e-300 vanish in the product

    def share_within(self, other: Box) -> float:
        """Share of this box that lies in `other`, 0..1."""
        return self._common(other) / self.area if self.area else 0.0

    def _common(self, other: Box) -> float:
        """Area of the intersection with `other`."""
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(width, 0.0) * max(height, 0.0)


WHOLE_IMAGE = Box(0.0, 0.0, 1.0, 1.0)


def centre_square(width: int, height: int) -> Box:
    """Return the largest square in the middle of an image of `width` x `height` pixels.

    What a photo is embedded by: a photo squashed to a square instead loses 4 points of top-1 on the categories of
    clothing/validation, and what lies at the sides is the finder's.
    """
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    return Box(left / width, top / height, (left + edge) / width, (top + edge) / height)


@dataclass(frozen=True)
class Region:
    """A part of a listing image worth embedding, and who named it: "centre", or finders' "mark", "whole", "grid4"."""

    box: Box
    source: str
    confidence: float = 1.0  # of a finder that a mark is there, 0..1


@dataclass(frozen=True)
class GridLevel:
    """One size of window: `share` of the edge, `count` windows along each edge, evenly spread from side to side."""

    share: float
    count: int


# Windows everywhere, for want of a finder: 20 of them. Measured on FlickrLogos-27 with an untrained network at 160
# pixels (top1 / recall at 1% false positives): with the whole image .66 / .60; 2 x 2 of 2/3 and 3 x 3 of 1/2 give
# .62 / .59.
GRID = (GridLevel(share=2 / 3, count=2), GridLevel(share=2 / 5, count=4))


def crop(pixels: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """Cut `box` out of `pixels` [H, W, ...]: a view (no copy) of the covered pixels, at least 1 x 1.

    Edges round outwards, so that no box, however thin, loses the pixels that it touches.
    """
    height, width = pixels.shape[:2]
    left, right = _span(box.x1, box.x2, width)
    top, bottom = _span(box.y1, box.y2, height)
    return pixels[top:bottom, left:right]


def middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut out the square in the middle of `pixels` [H, W, ...]: a whole photo is embedded by it."""
    height, width = pixels.shape[:2]
    return crop(pixels, centre_square(width, height))


def windows(level: GridLevel) -> Iterator[Box]:
    """Spread one level's windows over an image, row by row."""
    step = (1 - level.share) / max(level.count - 1, 1)
    starts = [step * place for place in range(level.count)]
    for y in starts:
        for x in starts:
            yield Box(x, y, min(x + level.share, 1.0), min(y + level.share, 1.0))


def _span(low: float, high: float, size: int) -> tuple[int, int]:
    # Relative coordinates carry float error: 1/3 of 9 pixels must be pixel 3, not 2 by rounding outwards from 2.9999.
    slack = 1e-6
    first = min(math.floor(low * size + slack), size - 1)
    return first, max(math.ceil(high * size - slack), first + 1)
