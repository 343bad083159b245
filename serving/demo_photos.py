"""What do the demo's product photos show? Draws them: our own artwork, a seeded mark, a surface, light, a lens.

`serving.demo_scenes` says which listings there are; this module makes their pictures, the same bytes' worth of pixels for
the same `Shot` every time. No photo of a real product is involved.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reference_brands.render import Colour, render
from serving.demo_surfaces import Surface, paint_surface

EDGE = 960
"""Pixels of the square photos; what marketplaces ask sellers for at least."""

_ART_EDGE = 600
"""The artwork's own coordinates run from 0 to here."""

_DRAWN_EDGE = 780
"""Pixels at which the artwork is drawn before the camera tilts it."""


@dataclass(frozen=True)
class MarkArea:
    """Where a product carries its mark, in the artwork's coordinates: centre, longest edge and turn in degrees."""

    x: float
    y: float
    edge: float
    turn: float = 0.0


MARK_AREAS = {
    "sneaker": MarkArea(352, 332, 200, turn=-12),
    "t-shirt": MarkArea(300, 250, 200),
    "hoodie": MarkArea(300, 292, 190),
    "backpack": MarkArea(300, 438, 200),
    "headphones": MarkArea(218, 417, 160),
    "phone-case": MarkArea(298, 330, 190),
    "tumbler": MarkArea(300, 330, 190),
    "handbag": MarkArea(300, 445, 190),
    "watch": MarkArea(300, 340, 80),
}
"""The products there is artwork of (serving/data/demo/*.svg)."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One photo. `mark_svg` is None for a product without a brand; `scale` is the product's share of the photo's edge.

    `seed` decides the surface's grain, the camera's tilt and the noise.
    """

    product: str
    colour: Colour
    surface: Surface
    seed: int
    mark_svg: str | None = None
    ink: Colour = (245, 245, 242)
    scale: float = 0.82
    tilt: float = 0.05
    turn: float = 0.0


def photograph(shot: Shot) -> NDArray[np.uint8]:
    """Return the photo as uint8 [960, 960, 3] RGB."""
    random = np.random.default_rng(shot.seed)
    product = _light(_textured(_branded(_draw(shot), shot), random))
    placed = _place(product, shot, random)
    scene = _shadowed(paint_surface(shot.surface, EDGE, random), placed[..., 3], shot.surface)
    alpha = placed[..., 3:]
    scene = scene * (1 - alpha) + placed[..., :3] * alpha
    return _expose(scene, random)


def encode_jpeg(pixels: NDArray[np.uint8], *, quality: int) -> bytes:
    """Encode uint8 [H, W, 3] RGB as JPEG, quality 1..95."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def repost(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what a reseller makes of a copied photo: trimmed by 1.5%, smaller, brighter. uint8 [H, W, 3] RGB."""
    height, width = pixels.shape[:2]
    top, left = round(height * 0.015), round(width * 0.015)
    trimmed = pixels[top : height - top, left : width - left]
    smaller = cv2.resize(trimmed, (800, 800 * trimmed.shape[0] // trimmed.shape[1]), interpolation=cv2.INTER_AREA)
    return np.clip(smaller * 1.06 + 6, 0, 255).astype(np.uint8)


def _draw(shot: Shot) -> NDArray[np.float32]:
    """Return the bare product as float32 [780, 780, 4] RGBA, 0..1, in the shot's colour."""
    file = resources.files("serving") / "data" / "demo" / f"{shot.product}.svg"
    svg = file.read_text(encoding="utf-8").replace('color="#808080"', 'color="#{:02x}{:02x}{:02x}"'.format(*shot.colour))
    return render(svg, longest_edge=_DRAWN_EDGE).astype(np.float32) / 255


def _branded(product: NDArray[np.float32], shot: Shot) -> NDArray[np.float32]:
    """Print the mark on the product; folds and gloss of the cloth below show through the ink."""
    if shot.mark_svg is None:
        return product
    mask = render(shot.mark_svg, longest_edge=400)[..., 3].astype(np.float32) / 255
    coverage = cv2.GaussianBlur(_to_area(mask, MARK_AREAS[shot.product]), (0, 0), 0.7)
    body = max(float(np.mean(shot.colour)) / 255, 0.08)
    shade = np.clip(product[..., :3].mean(axis=2) / body, 0.7, 1.2)
    ink = np.asarray(shot.ink, np.float32) / 255 * shade[..., None]
    edge = cv2.GaussianBlur(coverage, (0, 0), 3) * (1 - coverage)
    cover = 0.97 * (coverage * product[..., 3])[..., None]
    product[..., :3] = product[..., :3] * (1 - 0.25 * edge[..., None]) * (1 - cover) + np.clip(ink, 0, 1) * cover
    return product


def _to_area(mask: NDArray[np.float32], area: MarkArea) -> NDArray[np.float32]:
    """Warp a mark's mask float32 [h, w] to its area on the drawn product: float32 [780, 780]."""
    pixels = _DRAWN_EDGE / _ART_EDGE
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    ink = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = area.edge * pixels / max(ink.shape)
    matrix = cv2.getRotationMatrix2D((ink.shape[1] / 2, ink.shape[0] / 2), -area.turn, scale)
    matrix[:, 2] += (area.x * pixels - ink.shape[1] / 2, area.y * pixels - ink.shape[0] / 2)
    return cv2.warpAffine(ink, matrix, (_DRAWN_EDGE, _DRAWN_EDGE), flags=cv2.INTER_AREA).astype(np.float32)


def _textured(product: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Give the flat colours a grain: fine weave and broad unevenness."""
    fine = random.normal(0, 1, product.shape[:2]).astype(np.float32)
    fine = cv2.GaussianBlur(fine, (0, 0), 0.8)
    broad = cv2.resize(random.normal(0, 1, (14, 14)).astype(np.float32), (_DRAWN_EDGE, _DRAWN_EDGE), interpolation=cv2.INTER_CUBIC)
    grain = 1 + 0.035 * fine + 0.03 * broad
    product[..., :3] = np.clip(product[..., :3] * grain[..., None], 0, 1)
    return product


def _light(product: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round the product off: its outline as a height map, lit from the upper left."""
    solid = (product[..., 3] > 0.5).astype(np.uint8)
    depth = np.minimum(cv2.distanceTransform(solid, cv2.DIST_L2, 5), 70.0)
    height = cv2.GaussianBlur(70 * np.sqrt(1 - (1 - depth / 70) ** 2).astype(np.float32), (0, 0), 6)
    slope_x, slope_y = cv2.Sobel(height, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(height, cv2.CV_32F, 0, 1) / 8
    facing = (0.45 * slope_x + 0.6 * slope_y + 1.0) / np.sqrt(slope_x**2 + slope_y**2 + 1)
    product[..., :3] = np.clip(product[..., :3] * np.clip(0.35 + 0.65 * facing, 0.3, 1.2)[..., None], 0, 1)
    return product


def _place(product: NDArray[np.float32], shot: Shot, random: np.random.Generator) -> NDArray[np.float32]:
    """Look at the product from a little aside: float32 [960, 960, 4] RGBA, not premultiplied."""
    half = shot.scale * EDGE / 2
    angle = np.deg2rad(shot.turn + random.uniform(-3, 3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners @ turn.T * (1 + random.uniform(-shot.tilt, shot.tilt, (4, 1))) + EDGE / 2
    corners += random.uniform(-0.02, 0.02, 2) * EDGE
    drawn = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * _DRAWN_EDGE
    matrix = cv2.getPerspectiveTransform(drawn.astype(np.float32), corners.astype(np.float32))
    product[..., :3] *= product[..., 3:]
    placed = cv2.warpPerspective(product, matrix, (EDGE, EDGE), flags=cv2.INTER_AREA)
    placed[..., :3] /= np.maximum(placed[..., 3:], 1e-3)
    return np.clip(placed, 0, 1).astype(np.float32)


def _shadowed(scene: NDArray[np.float32], alpha: NDArray[np.float32], surface: Surface) -> NDArray[np.float32]:
    """Darken the surface where the product keeps light away: a soft cast shadow and a tight one where it touches."""
    drop = 26 if surface.flat else 10
    cast = cv2.warpAffine(alpha, np.float32([[1, 0, drop], [0, 1, drop + 8]]), (EDGE, EDGE))
    soft, tight = cv2.GaussianBlur(cast, (0, 0), 24), cv2.GaussianBlur(alpha, (0, 0), 6)
    return scene * (1 - 0.42 * soft - 0.3 * tight)[..., None]


def _expose(scene: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.uint8]:
    """Take the picture: uneven light, a colour cast, a slightly soft lens, sensor noise."""
    down, across = np.mgrid[-1 : 1 : EDGE * 1j, -1 : 1 : EDGE * 1j].astype(np.float32)
    fall = 1.04 - 0.1 * (down * random.uniform(0.3, 1) + across * random.uniform(0.3, 1)) - 0.08 * (down**2 + across**2)
    cast = 1 + random.uniform(-0.025, 0.025, 3)
    lit = cv2.GaussianBlur(scene * fall[..., None] * cast, (0, 0), 0.9)
    noisy = lit + random.normal(0, 0.012, lit.shape)
    return np.clip(noisy * 255, 0, 255).astype(np.uint8)
