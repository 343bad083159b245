"""How does a picture get small enough for a report? Scaled down and compressed."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def thumbnail(pixels: NDArray[np.uint8], *, edge: int) -> bytes:
    """Return uint8 [H, W, 3] RGB as a JPEG whose longer edge is at most `edge` pixels."""
    image, stream = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
    image.thumbnail((edge, edge))
    image.save(stream, "JPEG", quality=80)
    return stream.getvalue()
