"""How does a part of a photo look from where a reference was seen from? The way back through a verification's outline.

`vision.verify` says where the reference's corners came to lie in the photo. Pulled back to those corners, what lies
between them can be laid over the reference, point by point.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.regions import Point

# Beyond the photo there is nothing: paper, as behind transparent images.
_PAPER = (255, 255, 255)


def extent(outline: Sequence[Point]) -> float:
    """Return how much of the photo the outline spans in its longer direction, as a share of that edge; above 0."""
    points = np.asarray(outline, np.float64)
    return max(float(np.ptp(points, axis=0).max()), 1e-6)


def aligned(pixels: NDArray[np.uint8], outline: Sequence[Point], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Bring what lies within an outline into a frame of `size`, (width, height) in pixels.

    Args:
        pixels: the photo, uint8 [H, W, 3].
        outline: the frame's corners in the photo, relative to it, clockwise from the frame's upper left, as in
            `vision.verify.Verification`.
        size: of the frame.

    Returns:
        uint8 [height, width, 3]; white where the photo does not reach.

    """
    height, width = pixels.shape[:2]
    # OpenCV's coordinates are those of pixels' centres, ours of their edges.
    corners = np.asarray(outline, np.float64) * (width, height) - 0.5
    frame = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float64) - 0.5
    transform = cv2.getPerspectiveTransform(frame.astype(np.float32), corners.astype(np.float32))
    warped = cv2.warpPerspective(
        pixels,
        transform,
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_PAPER,
    )
    return warped.astype(np.uint8, copy=False)
