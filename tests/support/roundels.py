"""Draws round marks: a disc with a name along its rim, as badges and seals have it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_RADIUS = 150.0
_RIM = 48  # pixels from the outside to the inside of the band with the name
_LETTERS = 1.3


def roundel(name: str, *, turn: float = 0.0) -> NDArray[np.uint8]:
    """Draw a disc with a name along its upper rim, turned clockwise by degrees: RGB uint8 [400, 400, 3]."""
    around = round(2 * np.pi * _RADIUS)
    band = np.full((_RIM, around, 3), (24, 60, 44), np.uint8)
    (width, height), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, 4)
    start = (round((around - width) / 2), round((_RIM + height) / 2))
    cv2.putText(band, name, start, cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, (250, 250, 245), 4, cv2.LINE_AA)
    rows, columns = np.mgrid[0:400, 0:400].astype(np.float32)
    across, down = columns - 200, rows - 200
    depth = _RADIUS - np.hypot(across, down)
    # The band's middle column is the disc's top.
    along = (np.arctan2(across, -down) - np.radians(turn) + np.pi) % (2 * np.pi) / (2 * np.pi) * around
    flat = cv2.remap(band, along.astype(np.float32), depth.astype(np.float32), cv2.INTER_LINEAR)
    picture = np.full((400, 400, 3), (214, 204, 188), np.uint8)
    picture[depth > 0] = (240, 236, 226)
    on_rim = (depth > 0) & (depth < _RIM - 1)
    picture[on_rim] = flat[on_rim]
    return picture
