"""How does a picture get small enough for a page? Scaled down and compressed; nothing but its pixels is left."""

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


def as_webp(pixels: NDArray[np.uint8], *, edge: int) -> bytes:
    """Return uint8 [H, W, 3] RGB as a WebP file whose longer edge is at most `edge` pixels, without any metadata."""
    image, stream = Image.fromarray(np.ascontiguousarray(pixels)), io.BytesIO()
    image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    # Method 2 takes half the time of Pillow's 4 for files a twentieth larger.
    image.save(stream, "WEBP", quality=85, method=2)
    return stream.getvalue()
