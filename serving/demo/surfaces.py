"""What does the product lie on or stand before? Procedural wood, cloth, concrete and a wall for the demo's photos.

`serving.demo.photos` puts products on them. A plane is float32 [height, width], one number a pixel.
"""

from __future__ import annotations

import enum

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Tint = tuple[float, float, float]
"""Red, green, blue, each 0..1."""

FIRST_TABLE_ROW = 0.74
"""Share of the photo's height at which the wall ends and the table begins."""


class Surface(enum.StrEnum):
    """Where a seller puts the thing to photograph it."""

    OAK = "oak"
    WALNUT = "walnut"
    LINEN = "linen"
    CONCRETE = "concrete"
    WALL = "wall"

    @property
    def flat(self) -> bool:
        """Whether the product lies on it, seen from above, rather than stands before it."""
        return self is not Surface.WALL


def paint_surface(surface: Surface, edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Return float32 [edge, edge, 3] RGB, 0..1, the grain decided by `random`."""
    match surface:
        case Surface.OAK:
            return _wood(edge, random, dark=(0.58, 0.41, 0.25), light=(0.80, 0.64, 0.45), planks=4)
        case Surface.WALNUT:
            return _wood(edge, random, dark=(0.24, 0.15, 0.10), light=(0.45, 0.31, 0.22), planks=5)
        case Surface.LINEN:
            return _linen(edge, random)
        case Surface.CONCRETE:
            return _concrete(edge, random)
        case Surface.WALL:
            return _wall(edge, random)


def noise(edge: int, random: np.random.Generator, *, rows: int, columns: int) -> Plane:
    """Return normal noise on a grid of `rows` x `columns`, drawn out to a plane of `edge` x `edge`."""
    grid = random.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(cv2.resize(grid, (edge, edge), interpolation=cv2.INTER_CUBIC), np.float32)


def blur(plane: Plane, pixels: float) -> Plane:
    """Return the plane (or float32 picture) out of focus; `pixels` is the Gaussian's standard deviation."""
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), pixels), np.float32)


def _clouds(edge: int, random: np.random.Generator, *, rows: int, columns: int, octaves: int) -> Plane:
    """Sum noise of rising frequency, beginning with `rows` x `columns`; mean 0, about -1..1."""
    layers = [
        noise(edge, random, rows=min(rows * 2**octave, edge), columns=min(columns * 2**octave, edge)) / 2**octave
        for octave in range(octaves)
    ]
    return np.asarray(np.sum(layers, axis=0) / 2, np.float32)


def _blend(share: NDArray[np.floating], *, dark: Tint, light: Tint) -> NDArray[np.float32]:
    weight = np.clip(share, 0, 1)[..., None]
    return np.asarray(weight * np.array(light) + (1 - weight) * np.array(dark), np.float32)


def _wood(edge: int, random: np.random.Generator, *, dark: Tint, light: Tint, planks: int) -> NDArray[np.float32]:
    """Lay planks side by side: rings bent by slow noise, pores drawn out along the grain, dark joints."""
    down, across = np.mgrid[0 : 1 : edge * 1j, 0 : 1 : edge * 1j].astype(np.float32)
    place = down * planks
    plank = np.minimum(place.astype(int), planks - 1)
    offset, tone = random.uniform(0, 9, planks)[plank], random.uniform(-0.16, 0.16, planks)[plank]
    bend = 0.55 * _clouds(edge, random, rows=7, columns=3, octaves=3) + 0.25 * np.sin(across * 3 + offset)
    rings = 0.5 * np.sin(2 * np.pi * (place * 3.2 + offset + bend))
    pores = _clouds(edge, random, rows=edge // 4, columns=10, octaves=2)
    wood = _blend(0.55 + 0.28 * rings + 0.17 * pores + tone, dark=dark, light=light)
    joint = np.abs(place - np.round(place)) * edge / planks < 1.6
    return np.where(joint[..., None], wood * np.float32(0.45), wood)


def _linen(edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Weave threads of uneven thickness and lay them in broad, soft folds."""
    warp = noise(edge, random, rows=24, columns=edge // 3)
    weft = noise(edge, random, rows=edge // 3, columns=24)
    folds = _clouds(edge, random, rows=3, columns=2, octaves=2)
    return _blend(0.6 + 0.09 * (warp + weft) + 0.22 * folds, dark=(0.62, 0.60, 0.56), light=(0.93, 0.91, 0.87))


def _concrete(edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Stain it at every size and strew fine grit."""
    stains = _clouds(edge, random, rows=6, columns=6, octaves=6)
    grit = blur(noise(edge, random, rows=edge, columns=edge), 0.8)
    return _blend(0.5 + 0.2 * stains + 0.14 * grit, dark=(0.42, 0.43, 0.44), light=(0.72, 0.72, 0.70))


def _wall(edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Paint a wall above a wooden table, the wall out of focus and lit from one side."""
    fall = np.linspace(0.76, 0.56, edge, dtype=np.float32)[None]
    shade = fall + 0.012 * _clouds(edge, random, rows=3, columns=3, octaves=6)
    hue = np.array((1.0, 0.97, 0.92)) * random.uniform(0.95, 1.05, 3)
    scene = np.asarray(shade[..., None] * hue, np.float32)
    first = round(edge * FIRST_TABLE_ROW)
    table = cv2.resize(paint_surface(Surface.OAK, edge, random), (edge, edge - first), interpolation=cv2.INTER_AREA)
    scene[first:] = table * np.linspace(0.72, 1.0, edge - first, dtype=np.float32)[:, None, None]
    far = np.clip((first + 60 - np.arange(edge)) / 60, 0, 1).astype(np.float32)[:, None, None]
    return blur(scene, 5) * far + scene * (1 - far)
