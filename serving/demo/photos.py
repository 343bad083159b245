"""What do the demo's product photos show? Draws them: our own artwork, a seeded mark, a surface, light, a lens.

`serving.demo.scenes` says which listings there are; this module makes their pictures, the same pixels for the same
`Shot` every time. No photo of a real product is involved.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reference_brands.render import Colour, render
from serving.demo.surfaces import Plane, Surface, blur, noise, paint_surface
from vision.regions import Box

EDGE = 960
"""Pixels of the square photos; what marketplaces ask sellers for at least."""

_ART_EDGE = 600
"""The artwork's own coordinates run from 0 to here."""

_DRAWN_EDGE = 780
"""Pixels at which the artwork is drawn before the camera tilts it."""


@dataclass(frozen=True, kw_only=True)
class Product:
    """How a product's artwork becomes a thing: where its mark sits, how round it is, how much its cloth creases.

    `mark_x`, `mark_y` (centre) and `mark_edge` (longest edge) are in the artwork's coordinates, `mark_turn` in degrees;
    `roundness` is how many pixels in from the outline the surface still curves; `creases` are their height in pixels.
    """

    mark_x: float
    mark_y: float
    mark_edge: float
    mark_turn: float = 0.0
    roundness: float = 70.0
    creases: float = 0.0


PRODUCTS = {
    "sneaker": Product(mark_x=352, mark_y=332, mark_edge=200, mark_turn=-12, creases=1.0),
    "t-shirt": Product(mark_x=300, mark_y=250, mark_edge=200, roundness=24, creases=11.0),
    "hoodie": Product(mark_x=300, mark_y=292, mark_edge=190, roundness=36, creases=11.0),
    "backpack": Product(mark_x=300, mark_y=438, mark_edge=200, creases=8.0),
    "headphones": Product(mark_x=218, mark_y=417, mark_edge=160),
    "phone-case": Product(mark_x=298, mark_y=330, mark_edge=190, roundness=24),
    "tumbler": Product(mark_x=300, mark_y=330, mark_edge=190),
    "handbag": Product(mark_x=300, mark_y=445, mark_edge=190, creases=1.5),
    "watch": Product(mark_x=300, mark_y=340, mark_edge=80, roundness=30),
}
"""What there is artwork of, by file name: serving/data/demo/*.svg."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One photo. `mark_svg` is None for a product without a brand; `seed` decides grain, tilt and noise.

    `scale` is the product's share of the photo's edge, beyond 1 for a close-up; `centre` is where its middle comes to
    lie, x and y, 0..1.
    """

    product: str
    colour: Colour
    surface: Surface
    seed: int
    mark_svg: str | None = None
    ink: Colour = (245, 245, 242)
    scale: float = 0.82
    centre: tuple[float, float] = (0.5, 0.5)
    tilt: float = 0.05
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class Picture:
    """A finished photo: `pixels` uint8 [960, 960, 3] RGB, and where its mark is, None without one."""

    pixels: NDArray[np.uint8]
    mark_box: Box | None


def photograph(shot: Shot) -> Picture:
    """Take the photo."""
    random = np.random.default_rng(shot.seed)
    coverage = _print_of(shot)
    product = _textured(_branded(_draw(shot), coverage, shot), random)
    product = _light(product, PRODUCTS[shot.product], random)
    camera = _camera(shot, random)
    placed = _seen(product, camera)
    scene = _shadowed(paint_surface(shot.surface, EDGE, random), placed[..., 3], shot.surface)
    alpha = placed[..., 3:]
    pixels = _expose(scene * (1 - alpha) + placed[..., :3] * alpha, random)
    mark = cv2.warpPerspective(coverage, camera, (EDGE, EDGE), flags=cv2.INTER_AREA)
    return Picture(pixels, _bounds(np.asarray(mark, np.float32)))


def closer(shot: Shot) -> Shot:
    """Return the second photo sellers take: the mark, or where one would be, in the middle at 46% of the edge."""
    kind = PRODUCTS[shot.product]
    scale = 0.46 * _ART_EDGE / kind.mark_edge
    offset = (0.5 - (kind.mark_x / _ART_EDGE - 0.5) * scale, 0.5 - (kind.mark_y / _ART_EDGE - 0.5) * scale)
    return replace(shot, scale=scale, centre=offset, seed=shot.seed + 1000)


def encode_jpeg(pixels: NDArray[np.uint8], *, quality: int) -> bytes:
    """Encode uint8 [H, W, 3] RGB as JPEG, quality 1..95."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def repost(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what a reseller makes of a copied photo: trimmed by 0.5%, smaller, brighter. uint8 [H, W, 3] RGB."""
    height, width = pixels.shape[:2]
    top, left = round(height * 0.005), round(width * 0.005)
    trimmed = pixels[top : height - top, left : width - left]
    smaller = cv2.resize(trimmed, (800, 800 * trimmed.shape[0] // trimmed.shape[1]), interpolation=cv2.INTER_AREA)
    return _to_pixels(_to_shares(np.asarray(smaller, np.uint8)) * 1.06 + 0.024)


def _draw(shot: Shot) -> NDArray[np.float32]:
    """Return the bare product as float32 [780, 780, 4] RGBA, 0..1, in the shot's colour."""
    file = resources.files("serving") / "data" / "demo" / f"{shot.product}.svg"
    colour = "#{:02x}{:02x}{:02x}".format(*shot.colour)
    svg = file.read_text(encoding="utf-8").replace('color="#808080"', f'color="{colour}"')
    return _to_shares(render(svg, longest_edge=_DRAWN_EDGE))


def _print_of(shot: Shot) -> Plane:
    """Return how much of each pixel the mark's ink covers: float32 [780, 780], 0..1; all 0 without a mark."""
    if shot.mark_svg is None:
        return np.zeros((_DRAWN_EDGE, _DRAWN_EDGE), np.float32)
    mask = _to_shares(render(shot.mark_svg, longest_edge=400)[..., 3])
    return blur(_to_place(mask, PRODUCTS[shot.product]), 0.7)


def _branded(product: NDArray[np.float32], coverage: Plane, shot: Shot) -> NDArray[np.float32]:
    """Print the mark on the product; folds and gloss of the cloth below show through the ink."""
    body = max(float(np.mean(shot.colour)) / 255, 0.08)
    shade = np.clip(product[..., :3].mean(axis=2) / body, 0.7, 1.2)
    ink = np.clip(np.asarray(shot.ink) / 255 * shade[..., None], 0, 1)
    rim = blur(coverage, 3) * (1 - coverage)
    cover = 0.97 * (coverage * product[..., 3])[..., None]
    product[..., :3] = product[..., :3] * (1 - 0.25 * rim[..., None]) * (1 - cover) + ink * cover
    return product


def _to_place(mask: NDArray[np.float32], product: Product) -> NDArray[np.float32]:
    """Warp a mark's mask float32 [h, w] to its place on the drawn product: float32 [780, 780]."""
    pixels = _DRAWN_EDGE / _ART_EDGE
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    ink = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = product.mark_edge * pixels / max(ink.shape)
    matrix = cv2.getRotationMatrix2D((ink.shape[1] / 2, ink.shape[0] / 2), -product.mark_turn, scale)
    matrix[:, 2] += (product.mark_x * pixels - ink.shape[1] / 2, product.mark_y * pixels - ink.shape[0] / 2)
    return cv2.warpAffine(ink, matrix, (_DRAWN_EDGE, _DRAWN_EDGE), flags=cv2.INTER_AREA).astype(np.float32)


def _textured(product: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Give the flat colours a grain: fine weave and broad unevenness."""
    fine = blur(noise(_DRAWN_EDGE, random, rows=_DRAWN_EDGE, columns=_DRAWN_EDGE), 0.8)
    broad = noise(_DRAWN_EDGE, random, rows=14, columns=14)
    grain = 1 + 0.035 * fine + 0.03 * broad
    product[..., :3] = np.clip(product[..., :3] * grain[..., None], 0, 1)
    return product


def _light(product: NDArray[np.float32], kind: Product, random: np.random.Generator) -> NDArray[np.float32]:
    """Round the product off and crease its cloth: a height map over its outline, lit from the upper left."""
    solid = (product[..., 3] > 0.5).astype(np.uint8)
    reach = kind.roundness
    depth = np.minimum(cv2.distanceTransform(solid, cv2.DIST_L2, 5), reach) / reach
    rounded = blur(np.asarray(reach * np.sqrt(1 - (1 - depth) ** 2), np.float32), 6)
    height = np.asarray(rounded + kind.creases * _creases(random) * depth, np.float32)
    slope_x, slope_y = cv2.Sobel(height, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(height, cv2.CV_32F, 0, 1) / 8
    facing = (0.45 * slope_x + 0.6 * slope_y + 1.0) / np.sqrt(slope_x**2 + slope_y**2 + 1)
    product[..., :3] = np.clip(product[..., :3] * np.clip(0.35 + 0.65 * facing, 0.3, 1.2)[..., None], 0, 1)
    return product


def _creases(random: np.random.Generator) -> Plane:
    """Return soft ridges running mostly downwards, as cloth hangs: float32 [780, 780], about -2..2."""
    scales = ((3, 5), (5, 9), (9, 16))
    ridges = [noise(_DRAWN_EDGE, random, rows=rows, columns=columns) * (5 / columns) for rows, columns in scales]
    return blur(np.sum(ridges, axis=0, dtype=np.float32), 5)


def _camera(shot: Shot, random: np.random.Generator) -> NDArray[np.float64]:
    """Stand a little aside: the 3 x 3 homography from the drawn product to the photo."""
    half = shot.scale * EDGE / 2
    angle = np.deg2rad(shot.turn + random.uniform(-3, 3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners @ turn.T * (1 + random.uniform(-shot.tilt, shot.tilt, (4, 1)))
    corners += np.array(shot.centre) * EDGE + random.uniform(-0.01, 0.01, 2) * EDGE
    drawn = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * _DRAWN_EDGE
    return np.asarray(cv2.getPerspectiveTransform(drawn.astype(np.float32), corners.astype(np.float32)), np.float64)


def _seen(product: NDArray[np.float32], camera: NDArray[np.float64]) -> NDArray[np.float32]:
    """Warp the product into the photo: float32 [960, 960, 4] RGBA."""
    # Premultiplied while it is warped, or transparent pixels would bleed their colour into the outline.
    product[..., :3] *= product[..., 3:]
    placed = np.asarray(cv2.warpPerspective(product, camera, (EDGE, EDGE), flags=cv2.INTER_AREA), np.float32)
    placed[..., :3] = placed[..., :3] / np.maximum(placed[..., 3:], 1e-3)
    return np.clip(placed, 0, 1)


def _bounds(mark: Plane) -> Box | None:
    rows, columns = np.flatnonzero((mark > 0.5).any(axis=1)), np.flatnonzero((mark > 0.5).any(axis=0))
    if rows.size == 0:
        return None
    return Box(columns[0] / EDGE, rows[0] / EDGE, (columns[-1] + 1) / EDGE, (rows[-1] + 1) / EDGE)


def _shadowed(scene: NDArray[np.float32], alpha: NDArray[np.float32], surface: Surface) -> NDArray[np.float32]:
    """Darken the surface where the product keeps light away: a soft cast shadow and a tight one where it touches."""
    drop = 26 if surface.flat else 10
    away = np.array([[1, 0, drop], [0, 1, drop + 8]], np.float32)
    cast = np.asarray(cv2.warpAffine(alpha, away, (EDGE, EDGE), borderMode=cv2.BORDER_REPLICATE), np.float32)
    return np.asarray(scene * (1 - 0.42 * blur(cast, 24) - 0.3 * blur(alpha, 6))[..., None], np.float32)


def _expose(scene: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.uint8]:
    """Take the picture: uneven light, a colour cast, a slightly soft lens, sensor noise."""
    down, across = np.mgrid[-1 : 1 : EDGE * 1j, -1 : 1 : EDGE * 1j].astype(np.float32)
    fall = 1.04 - 0.1 * (down * random.uniform(0.3, 1) + across * random.uniform(0.3, 1)) - 0.08 * (down**2 + across**2)
    cast = 1 + random.uniform(-0.025, 0.025, 3)
    lit = blur(np.asarray(scene * fall[..., None] * cast, np.float32), 0.9)
    noisy = lit + 0.012 * random.standard_normal(lit.shape, dtype=np.float32)
    return _to_pixels(noisy)


def _to_shares(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """0..255 to 0..1."""
    return np.asarray(pixels, np.float32) / np.float32(255)


def _to_pixels(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """0..1, clipped, to 0..255."""
    return np.asarray(np.clip(shares * 255, 0, 255), np.uint8)
