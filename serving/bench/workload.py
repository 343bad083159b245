"""What does the service get to see while it is measured? Drawn photos of 1,000 x 1,000 pixels; some show a known mark.

The same bytes for the same seed. A photo is a surface of the demo's with some goods-like shapes, and in three of ten a
mark of the seed catalogue printed on one of them, 14-40% of the edge wide, turned and inked at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reference_brands.render import render
from reference_brands.seed import SeedBrand, mark_svg
from serving.demo.photos import encode_jpeg
from serving.demo.surfaces import Surface, noise, paint_surface

EDGE = 1_000
MARKED = 0.3
"""Share of the photos that show a mark."""

_QUALITY = 90
_SHAPES = 5
_SCENE = 500  # pixels at which a scene is put together before its mark is printed
_MARK_EDGE = (140, 400)  # pixels


@dataclass(frozen=True)
class BenchPhoto:
    """One photo, encoded as JPEG, and the brand whose mark it shows, "" without one."""

    content: bytes
    brand_id: str


def draw_photos(count: int, brands: Sequence[SeedBrand], *, seed: int = 0) -> tuple[BenchPhoto, ...]:
    """Draw `count` photos, of which the first, fifth and eighth of each ten show a mark of one of `brands`."""
    random = np.random.default_rng(seed)
    grounds = [_to_pixels(paint_surface(surface, _SCENE, random)) for surface in Surface]
    grain = np.float32(4) * noise(EDGE, random, rows=EDGE // 2, columns=EDGE // 2)
    return tuple(_photo(number, brands, grounds[number % len(grounds)], grain, random) for number in range(count))


def _photo(
    number: int,
    brands: Sequence[SeedBrand],
    ground: NDArray[np.uint8],
    grain: NDArray[np.float32],
    random: np.random.Generator,
) -> BenchPhoto:
    scene = np.roll(ground, random.integers(0, _SCENE, 2), axis=(0, 1))
    for _ in range(_SHAPES):
        scene = _with_shape(scene, random)
    pixels = np.asarray(cv2.resize(scene, (EDGE, EDGE), interpolation=cv2.INTER_CUBIC), np.uint8)
    brand = brands[int(random.integers(len(brands)))] if number % 10 in {0, 4, 7} else None
    if brand is not None:
        _print_mark(pixels, mark_svg(str(random.choice(brand.marks))), random)
    moved = np.roll(grain, random.integers(0, EDGE, 2), axis=(0, 1)).astype(np.int16)
    exposed = np.clip(pixels + moved[..., None], 0, 255).astype(np.uint8)
    return BenchPhoto(encode_jpeg(exposed, quality=_QUALITY), brand.brand_id if brand else "")


def _with_shape(scene: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Lay a rounded body of one colour, shaded and seamed, on a scene, uint8 [500, 500, 3]."""
    mask = np.zeros((_SCENE, _SCENE), np.uint8)
    centre, axes = random.integers(75, _SCENE - 75, 2).tolist(), random.integers(40, 130, 2).tolist()
    cv2.ellipse(mask, centre, axes, float(random.uniform(0, 180)), 0, 360, 255, -1)
    body = np.full((_SCENE, _SCENE, 3), random.integers(20, 235, 3), np.uint8)
    for _ in range(3):
        start, end = random.integers(0, _SCENE, (2, 2)).tolist()
        cv2.line(body, start, end, random.integers(0, 255, 3).tolist(), 2, cv2.LINE_AA)
    light = cv2.boxFilter(mask, -1, (41, 41)).astype(np.float32)[..., None] / 255
    return np.where(mask[..., None] > 0, (body * (0.55 + 0.45 * light)).astype(np.uint8), scene)


def _print_mark(pixels: NDArray[np.uint8], svg: str, random: np.random.Generator) -> None:
    """Print a mark in one ink, turned by up to 20 degrees, somewhere wholly within the photo."""
    edge = int(random.integers(*_MARK_EDGE))
    ink = render(svg, longest_edge=edge)[..., 3].astype(np.float32) / 255
    height, width = ink.shape
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(random.uniform(-20, 20)), 1.0)
    reach = edge // 2 + 20
    centre = random.integers(reach, EDGE - reach, 2)
    turn[:, 2] += centre - np.array((width / 2, height / 2))
    placed = np.asarray(cv2.warpAffine(ink, turn, (EDGE, EDGE), flags=cv2.INTER_LINEAR), np.float32)[..., None]
    dark = pixels[centre[1], centre[0]].mean() > 128
    colour = random.integers(0, 60, 3) if dark else random.integers(200, 255, 3)
    np.copyto(pixels, (pixels * (1 - placed) + colour * placed).astype(np.uint8))


def _to_pixels(shares: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(shares * 255, 0, 255), np.uint8)
