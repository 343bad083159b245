"""What does the product lie on or stand before? Procedural wood, cloth, concrete and a wall for the demo's photos."""

from __future__ import annotations

import enum

import cv2
import numpy as np
from numpy.typing import NDArray


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
            return _wood(edge, random, light=(0.80, 0.64, 0.45), dark=(0.58, 0.41, 0.25), planks=4)
        case Surface.WALNUT:
            return _wood(edge, random, light=(0.45, 0.31, 0.22), dark=(0.24, 0.15, 0.10), planks=5)
        case Surface.LINEN:
            return _linen(edge, random)
        case Surface.CONCRETE:
            return _concrete(edge, random)
        case Surface.WALL:
            return _wall(edge, random)


def _clouds(edge: int, random: np.random.Generator, *, cells: tuple[int, int], octaves: int) -> NDArray[np.float32]:
    """Sum noise of rising frequency, starting with `cells` (rows, columns): float32 [edge, edge], mean 0, about -1..1."""
    total = np.zeros((edge, edge), np.float32)
    for octave in range(octaves):
        rows, columns = (min(count * 2**octave, edge) for count in cells)
        noise = random.normal(0, 1, (rows, columns)).astype(np.float32)
        total += cv2.resize(noise, (edge, edge), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total / 2


def _blend(share: NDArray[np.float32], dark: tuple[float, ...], light: tuple[float, ...]) -> NDArray[np.float32]:
    weight = np.clip(share, 0, 1)[..., None]
    return (weight * np.float32(light) + (1 - weight) * np.float32(dark)).astype(np.float32)


def _wood(
    edge: int, random: np.random.Generator, *, light: tuple[float, ...], dark: tuple[float, ...], planks: int
) -> NDArray[np.float32]:
    """Planks side by side: rings bent by slow noise, pores drawn out along the grain, dark joints."""
    down, across = np.mgrid[0 : 1 : edge * 1j, 0 : 1 : edge * 1j].astype(np.float32)
    plank = np.minimum((down * planks).astype(int), planks - 1)
    offset, tone = random.uniform(0, 9, planks)[plank], random.uniform(-0.16, 0.16, planks)[plank]
    bend = _clouds(edge, random, cells=(7, 3), octaves=3)
    rings = 0.5 + 0.5 * np.sin(2 * np.pi * (down * planks * 3.2 + offset + 0.55 * bend + 0.25 * np.sin(across * 3 + offset)))
    pores = _clouds(edge, random, cells=(edge // 4, 10), octaves=2)
    wood = _blend((0.55 + 0.28 * (rings - 0.5) + 0.17 * pores + tone).astype(np.float32), dark, light)
    joint = np.abs(down * planks - np.round(down * planks)) * edge / planks < 1.6
    return np.where(joint[..., None], wood * 0.45, wood).astype(np.float32)


def _linen(edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Woven threads of uneven thickness under broad, soft folds."""
    warp = cv2.resize(random.normal(0, 1, (24, edge // 3)).astype(np.float32), (edge, edge))
    weft = cv2.resize(random.normal(0, 1, (edge // 3, 24)).astype(np.float32), (edge, edge))
    folds = _clouds(edge, random, cells=(3, 2), octaves=2)
    return _blend((0.6 + 0.1 * warp + 0.1 * weft + 0.22 * folds).astype(np.float32), (0.62, 0.60, 0.56), (0.93, 0.91, 0.87))


def _concrete(edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Stains of every size and fine grit."""
    stains = _clouds(edge, random, cells=(3, 3), octaves=7)
    grit = cv2.GaussianBlur(random.normal(0, 1, (edge, edge)).astype(np.float32), (0, 0), 0.8)
    return _blend((0.5 + 0.3 * stains + 0.08 * grit).astype(np.float32), (0.42, 0.43, 0.44), (0.72, 0.72, 0.70))


def _wall(edge: int, random: np.random.Generator) -> NDArray[np.float32]:
    """A painted wall above a wooden table, the wall out of focus and lit from one side."""
    across = np.linspace(0, 1, edge, dtype=np.float32)[None]
    paint = 0.74 - 0.2 * across + 0.03 * _clouds(edge, random, cells=(4, 4), octaves=4)
    hue = np.float32((1.0, 0.97, 0.92)) * (1 + random.uniform(-0.05, 0.05, 3).astype(np.float32))
    wall = paint[..., None] * hue
    table = paint_surface(Surface.OAK, edge, random)
    horizon = round(edge * 0.74)
    depth = cv2.resize(table, (edge, edge - horizon), interpolation=cv2.INTER_AREA)
    scene = wall.astype(np.float32)
    scene[horizon:] = depth * np.linspace(0.72, 1.0, edge - horizon, dtype=np.float32)[:, None, None]
    soft = cv2.GaussianBlur(scene, (0, 0), 5)
    blur = np.clip((horizon + 60 - np.arange(edge)) / 60, 0, 1).astype(np.float32)[:, None, None]
    return (soft * blur + scene * (1 - blur)).astype(np.float32)
