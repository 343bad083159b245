"""What is written around a round mark? Badges and seals set their name along the rim, where no line runs straight.

`vision.reading` reads lines. This finds the disc in a crop of a mark and lays the upper half of its rim flat, from the
left to the right, so that the name becomes one. What runs along the lower half stands on its head and is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from vision.lines import Pixels

_EDGE = 128  # pixels of a crop's longer edge when its disc is sought
_BLUR = (3, 3)
# OpenCV's HOUGH_GRADIENT_ALT: gradients of 200 are edges, and 0.7 is its least perfectness of a circle. So, a disc is
# found in 62 of 92 crops around the finder's boxes on photos of two round marks among FlickrLogos-27's references, and
# in 12 of 196 of its photos without a brand and of clothes. Stretching crops to squares finds 3 more, and 9 there.
_EDGES, _PERFECTNESS, _RESOLUTION, _APART = 200, 0.7, 1.5, 16
# Share of the crop's shorter edge: a mark fills what the finder cuts out. OpenCV finds none of more than a half.
_LEAST_RADIUS = 0.3

# The names of 28 of those 62 discs are read with these, and of one without them. The whole circle laid flat has two
# thirds as many at up to twice the cost, for lines run into each other; rims from 0.5 to 1.0 or from 0.6 to 1.0 of the
# radius, and 180 or 230 degrees, as many or fewer.
_INNER, _OUTER = 0.55, 1.05
_DEGREES = 200
_RIM = 64  # pixels from the inside to the outside, laid flat


@dataclass(frozen=True)
class Disc:
    """A disc in a crop, in its pixels: the middle, x to the right and y downwards, and the radius."""

    x: float
    y: float
    radius: float


def find_disc(crop: Pixels) -> Disc | None:
    """Find the largest disc that fills a crop, RGB uint8 [H, W, 3]; None where there is none. Takes a millisecond."""
    scale = _EDGE / max(crop.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    width, height = (max(round(edge * scale), 1) for edge in (crop.shape[1], crop.shape[0]))
    grey = cv2.GaussianBlur(
        cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (width, height), interpolation=method), _BLUR, 0
    )
    found = cv2.HoughCircles(
        grey,
        cv2.HOUGH_GRADIENT_ALT,
        _RESOLUTION,
        _APART,
        param1=_EDGES,
        param2=_PERFECTNESS,
        minRadius=math.floor(_LEAST_RADIUS * min(width, height)),
    )
    if found is None:
        return None
    x, y, radius = max(found.reshape(-1, found.shape[-1])[:, :3].tolist(), key=lambda disc: disc[2])
    return Disc(x / scale, y / scale, radius / scale)


def upper_rim(crop: Pixels) -> Pixels | None:
    """Lay the upper half of the rim of a crop's disc flat: RGB uint8 [64, 357, 3]; None where no disc is found."""
    disc = find_disc(crop)
    if disc is None:
        return None
    length = round(math.radians(_DEGREES) * _RIM * (_INNER + _OUTER) / 2 / (_OUTER - _INNER))
    turns = np.radians(np.linspace(-90 - _DEGREES / 2, -90 + _DEGREES / 2, length))
    reach = np.linspace(_OUTER, _INNER, _RIM) * disc.radius
    x, y = disc.x + np.outer(reach, np.cos(turns)), disc.y + np.outer(reach, np.sin(turns))
    flat = cv2.remap(
        crop, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, np.uint8)
