"""The array types of rendering."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture, [H, W, 3] RGB."""

Float = NDArray[np.float32]
"""A layer of a picture, [H, W] or [H, W, 3]; the docstring says its range."""

Real = NDArray[np.floating]
"""As `Float`, but in the precision that NumPy's promotion gave it: a seed's picture depends on that too."""

PixelBox = tuple[int, int, int, int]
"""A box (x1, y1, x2, y2) in pixels; the last column and row lie outside."""
