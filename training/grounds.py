"""What do marks lie on? Pieces of real photos, and made-up surfaces: walls, metal, paper, screens.

Photos come from the train splits that may train shipped weights. They are read once, at the size that training needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from training.pixels import Pixels
from vision.decode import decode

_KEPT_EDGE = 512  # pixels of a photo's shorter edge in memory: twice a scene's, so that pieces of it stay sharp
_MADE_UP = 0.25  # share of grounds that no photo shows


class Grounds:
    """Cuts pieces out of photos, and makes surfaces up. Holds about 0.5 MB a photo."""

    def __init__(self, photos: Sequence[Path]) -> None:
        """Read `photos`. Raises OSError, and what `vision.decode.decode` raises."""
        with ThreadPoolExecutor(2) as pool:
            self._photos = list(pool.map(lambda path: read_photo(path, edge=_KEPT_EDGE), photos))

    @property
    def photos(self) -> Sequence[Pixels]:
        """The photos, uint8 [H, W, 3] each."""
        return self._photos

    def piece(self, size: int, random: np.random.Generator) -> Pixels:
        """Return a ground of uint8 [size, size, 3]: a piece of a photo at any scale, or a made-up surface."""
        if random.random() < _MADE_UP:
            return _surface(size, random)
        photo = self._photos[random.integers(len(self._photos))]
        height, width = photo.shape[:2]
        share = random.uniform(0.3, 1.0)
        across = max(int(width * min(share * random.uniform(0.8, 1.25), 1.0)), 16)
        down = max(int(height * share), 16)
        top, left = random.integers(height - down + 1), random.integers(width - across + 1)
        piece = photo[top : top + down, left : left + across]
        if random.random() < 0.5:
            piece = piece[:, ::-1]
        weighing = cv2.INTER_AREA if size < min(down, across) else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(piece, (size, size), interpolation=weighing), np.uint8)

    def whole(self, size: int, random: np.random.Generator) -> Pixels:
        """Return one whole photo squashed to uint8 [size, size, 3]."""
        photo = self._photos[random.integers(len(self._photos))]
        return np.asarray(cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def read_photo(path: Path, *, edge: int) -> Pixels:
    """Read a photo, its shorter edge at most `edge` pixels. Raises OSError, and what `vision.decode.decode` raises."""
    pixels = decode(path.read_bytes()).pixels
    scale = edge / min(pixels.shape[:2])
    if scale >= 1:
        return pixels
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _surface(size: int, random: np.random.Generator) -> Pixels:
    """Make a surface up: one or two tones with a border between them, cloudy shading, fine grain, blobs and bars."""
    tones = [random.uniform(0, 255, 3) if random.random() < 0.6 else np.full(3, random.uniform(0, 255)) for _ in "ab"]
    surface = np.empty((size, size, 3), np.float32)
    surface[:] = tones[0]
    if random.random() < 0.5:
        edge = np.zeros((size, size), np.uint8)
        centre = random.uniform(0, size, 2)
        points = [centre + random.uniform(-size, size, 2) for _ in range(int(random.integers(3, 6)))]
        cv2.fillPoly(edge, [np.array(points, np.int32)], 255)
        surface = np.where(edge[..., None] > 0, tones[1].astype(np.float32), surface)
    for _ in range(int(random.integers(0, 4))):  # bars, wheels, windows: shapes that are no marks
        colour = tuple(float(value) for value in random.uniform(0, 255, 3))
        one, other = (tuple(int(value) for value in random.integers(0, size, 2)) for _ in range(2))
        if random.random() < 0.5:
            cv2.line(surface, one, other, colour, int(random.integers(1, 24)), cv2.LINE_AA)
        else:
            cv2.circle(surface, one, int(random.integers(4, size // 2)), colour, int(random.choice([-1, 2, 6])))
    cloud = cv2.resize(random.random((6, 6), dtype=np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
    surface *= (1 + random.uniform(0, 0.6) * (cloud - 0.5))[..., None]
    if random.random() < 0.5:
        grain = random.random((size, size), dtype=np.float32) - 0.5
        grain = cv2.GaussianBlur(grain, (0, 0), random.uniform(0.5, 3)) * random.uniform(10, 120)
        surface += grain[..., None]
    return np.clip(surface, 0, 255).astype(np.uint8)
