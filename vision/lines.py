"""Where are the lines of writing in a picture? Reads them off a detector's map, and lays each flat for the recogniser.

Part of `vision.reading`: the geometry between its two networks.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.regions import Box

_WRITING = 0.3  # probability from which a pixel belongs to a line
_LINE = 0.6  # least mean probability of a line's pixels
_THINNEST = 3.0  # pixels of a line's shorter side, in the detector's map
_REGROWTH = 1.6  # lines are learnt shrunk: area over perimeter times this is missing on every side
_UPRIGHT = 1.5  # a line this many times taller than wide was turned
# Lines are read a little smaller and narrower than the recogniser learnt, 48 pixels high and 320 wide at most: 0.33
# forwards a photo on FlickrLogos-27 instead of 0.49, and 50 brands named of 135 instead of 51.
_HEIGHT = 40
_NARROWING = 0.9
_NARROWEST = 40

Pixels = NDArray[np.uint8]
Maps = NDArray[np.float32]


def corners_of_lines(chance: Maps) -> list[Maps]:
    """Read lines off the map of a detector, float32 [h, w]: corners float32 [4, 2], clockwise from the upper left.

    Differentiable binarisation (Liao et al. 2020), each line taken for a rectangle.
    """
    outlines, _ = cv2.findContours((chance > _WRITING).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines:
        middle, (across, down), turn = cv2.minAreaRect(outline)
        if min(across, down) < _THINNEST or _mean_inside(chance, outline) < _LINE:
            continue
        missing = across * down * _REGROWTH / (across + down)  # on both sides together
        found.append(_clockwise(cv2.boxPoints((middle, (across + missing, down + missing), turn))))
    return found


def _mean_inside(chance: Maps, outline: Any) -> float:
    x, y, width, height = cv2.boundingRect(outline)
    inside = cv2.fillPoly(np.zeros((height, width), np.uint8), [outline - (x, y)], (1,))
    return cv2.mean(chance[y : y + height, x : x + width], inside)[0]


def _clockwise(corners: Any) -> Maps:
    """Order a rectangle's corners, float32 [4, 2], clockwise from the upper left."""
    left, right = np.split(corners[np.argsort(corners[:, 0], kind="stable")], 2)
    (upper_left, lower_left), (upper_right, lower_right) = (side[np.argsort(side[:, 1])] for side in (left, right))
    return np.array([upper_left, upper_right, lower_right, lower_left], np.float32)


def straightened(crop: Pixels, corners: Maps) -> Pixels:
    """Cut the line between `corners`, in pixels, out of a crop and lay it flat: uint8 [h, w, 3]."""
    width = max(round(float(np.linalg.norm(corners[1] - corners[0]))), 1)
    height = max(round(float(np.linalg.norm(corners[3] - corners[0]))), 1)
    flat = np.array([(0, 0), (width, 0), (0, height)], np.float32)
    transform = cv2.getAffineTransform(corners[[0, 1, 3]], flat)
    line = cv2.warpAffine(crop, transform, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.rot90(line) if height >= _UPRIGHT * width else line, np.uint8)


def box_around(corners: Maps, width: int, height: int) -> Box:
    """Put the upright box around a line's corners, in pixels of a picture of `width` x `height`."""
    edges = np.array([width, height], np.float32)
    (x1, y1), (x2, y2) = (
        np.clip(reach / edges, 0.0, 1.0).tolist() for reach in (corners.min(axis=0), corners.max(axis=0))
    )
    return Box(x1, y1, x2, y2)


def at_height(line: Pixels, *, widest: int) -> Pixels:
    """Bring a line to the size that it is read at, uint8 [40, 40..widest, 3]."""
    width = round(_HEIGHT * line.shape[1] / line.shape[0] * _NARROWING)
    return resized(line, min(max(width, _NARROWEST), widest), _HEIGHT)


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """Resize a picture, uint8 [H, W, 3], to `width` x `height` pixels."""
    shrinks = picture.shape[0] > height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.uint8)
