"""How is a mark made? Printed, embossed, cast, embroidered, outlined, lit; on the bare ground or on a plate.

The first part of rendering (see `training.world`): artwork becomes a flat sheet with colours and cover. The order of
random draws is part of the format: changing it changes every picture of a seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from training.artworks import Artwork
from training.inks import any_backing, any_ink, neighbour, own_colours
from training.pixels import Float, Pixels, Real

MARGIN = 28
"""Pixels around the artwork on its sheet: room for plates, shadows and relief."""

_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class Sheet:
    """A mark as made, flat: float32 colour [H, W, 3] 0..255, cover (with its plate) and shape (its own) [H, W] 0..1."""

    colour: Float
    cover: Float
    shape: Float


@dataclass(frozen=True, eq=False)
class _Mark:
    """A mark before its style: colour [H, W, 3] 0..255, shape [H, W] 0..1, and what is behind it, RGB 0..255."""

    colour: Float
    shape: Float
    backing: Real


def make_sheet(artwork: Artwork, ground: Pixels, random: np.random.Generator) -> Sheet:
    """Make `artwork` in some style, in colours that show on `ground`, uint8 [H, W, 3], or on a plate."""
    shape = _with_margin(artwork.coverage, cv2.BORDER_CONSTANT) / np.float32(255)
    if random.random() < 0.1:
        shape = _other_weight(shape, random)
    plate = _plate(artwork.coverage.shape, shape.shape, random) if random.random() < 0.5 else None
    backing = any_backing(random) if plate is not None else ground.reshape(-1, 3).mean(axis=0)
    mark = _Mark(_colours(artwork, shape.shape, backing, random), shape, backing)
    colour, cover = _style(random.random(), plated=plate is not None)(mark, random)
    if plate is not None:
        colour = backing * (1 - cover[..., None]) + colour * cover[..., None]
        cover = np.maximum(plate, cover)
    if random.random() < 0.15:
        cover = cover * _worn(shape.shape, random)
    return Sheet(colour.astype(np.float32), (cover * random.uniform(0.8, 1.0)).astype(np.float32), shape)


def _with_margin(layer: Pixels | Float, border: int) -> Float:
    return np.asarray(cv2.copyMakeBorder(layer, MARGIN, MARGIN, MARGIN, MARGIN, border), np.float32)


def _other_weight(shape: Float, random: np.random.Generator) -> Float:
    """Make the strokes a pixel bolder or thinner."""
    kernel = np.ones((2, 2), np.uint8)
    return np.asarray(cv2.dilate(shape, kernel) if random.random() < 0.5 else cv2.erode(shape, kernel), np.float32)


def _plate(inner: tuple[int, ...], size: tuple[int, ...], random: np.random.Generator) -> Float:
    """Draw what the mark stands on: a sign, a label, a screen, a badge; float32 [H, W] 0..1."""
    height, width = size
    plate: Pixels = np.zeros(size, np.uint8)
    pad_x, pad_y = (int(random.uniform(2, MARGIN)) for _ in range(2))
    left, top = MARGIN - pad_x, MARGIN - pad_y
    right, bottom = width - left - 1, height - top - 1
    roll = random.random()
    if roll < 0.25:  # endless: a wall, a shirt, a can
        plate[:] = 255
    elif roll < 0.75:
        cv2.rectangle(plate, (left, top), (right, bottom), 255, -1)
        if random.random() < 0.5:  # round corners
            plate = np.where(cv2.GaussianBlur(plate, (0, 0), 6) > 127, 255, 0).astype(np.uint8)
    else:
        axes = int(inner[1] / 2 * 1.3 + 2), int(inner[0] / 2 * 1.3 + 2)
        cv2.ellipse(plate, (width // 2, height // 2), axes, 0, 0, 360, 255, -1)
    return plate.astype(np.float32) / np.float32(255)


def _colours(artwork: Artwork, size: tuple[int, ...], backing: Real, random: np.random.Generator) -> Float:
    """Colour the sheet: in the artwork's own colours, in one ink, or in a gradient from one ink to another."""
    own = own_colours(artwork, random)
    if own is not None:
        return _with_margin(own, cv2.BORDER_REPLICATE)
    ink = any_ink(backing, random, own=artwork)
    colour = np.empty((*size, 3), np.float32)
    colour[:] = ink
    if random.random() < 0.12:
        colour += (neighbour(ink, random) - ink) * np.linspace(0, 1, size[0], dtype=np.float32)[:, None, None]
    return colour


def _worn(size: tuple[int, ...], random: np.random.Generator) -> Float:
    """Rub the print off in patches: float32 [H, W], what is left of the cover, 0.25..1."""
    noise = random.random((8, 8), dtype=np.float32)
    cloud = np.asarray(cv2.resize(noise, (size[1], size[0]), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(np.clip((cloud - random.uniform(0.0, 0.25)) * 4, 0.25, 1), np.float32)


# --- styles: each takes a mark and gives its colour [H, W, 3] 0..255 and cover [H, W] 0..1 ---


def _flat(mark: _Mark, _: np.random.Generator) -> tuple[Real, Float]:
    return mark.colour, mark.shape


def _embossed(mark: _Mark, random: np.random.Generator) -> tuple[Real, Float]:
    """Press it into the ground: no ink, only relief."""
    relief = _relief(mark.shape, random, strength=random.uniform(1.5, 4))
    tone = mark.backing * random.uniform(0.85, 1.15)
    colour = np.clip(tone * (1 + relief[..., None]), 0, 255).astype(np.float32)
    return colour, np.asarray(cv2.dilate(mark.shape, np.ones((5, 5), np.uint8)) * 0.9, np.float32)


def _raised(mark: _Mark, random: np.random.Generator) -> tuple[Real, Float]:
    """Raise it, as lettering and badges are; half of it in chrome."""
    relief = _relief(mark.shape, random, strength=random.uniform(0.5, 2.5))
    colour: Real = np.clip(mark.colour * (1 + relief[..., None]) + np.maximum(relief, 0)[..., None] * 80, 0, 255)
    if random.random() < 0.5:
        colour = _chrome(colour, random)
    return colour, mark.shape


def _embroidered(mark: _Mark, random: np.random.Generator) -> tuple[Real, Float]:
    """Sew it: threads run one way, catch the light, and darken at the edge."""
    height, width = mark.shape.shape
    angle, period = random.uniform(0, np.pi), random.uniform(2.5, 5)
    down, across = np.mgrid[:height, :width].astype(np.float32)
    threads = np.sin((across * np.cos(angle) + down * np.sin(angle)) * 2 * np.pi / period)
    threads += random.normal(0, 0.4, mark.shape.shape)
    edge = mark.shape - cv2.GaussianBlur(mark.shape, (0, 0), 2)
    lit = mark.colour * (1 + 0.16 * threads[..., None])
    return np.clip(lit - 70 * np.maximum(edge, 0)[..., None], 0, 255), mark.shape


def _outlined(mark: _Mark, random: np.random.Generator) -> tuple[Real, Float]:
    """Leave nothing but the contour."""
    inner = cv2.erode(mark.shape, _SQUARE, iterations=int(random.integers(1, 3)))
    return mark.colour, np.clip(np.asarray(cv2.dilate(mark.shape, _SQUARE) - inner, np.float32), 0, 1)


def _bordered(mark: _Mark, random: np.random.Generator) -> tuple[Real, Float]:
    """Put a border in another colour around it."""
    border = cv2.dilate(mark.shape, _SQUARE, iterations=int(random.integers(1, 4)))
    ink = any_ink(mark.colour.mean(axis=(0, 1)), random)
    inside = mark.shape[..., None]
    return mark.colour * inside + ink * (1 - inside), np.asarray(border, np.float32)


def _lit(mark: _Mark, random: np.random.Generator) -> tuple[Real, Float]:
    """Light it from inside, with a glow around."""
    glow = np.asarray(cv2.GaussianBlur(mark.shape, (0, 0), random.uniform(3, 8)), np.float32)
    return np.clip(mark.colour + 60 * glow[..., None], 0, 255), np.clip(mark.shape + 0.6 * glow, 0, 1)


_Style = Callable[[_Mark, np.random.Generator], tuple[Real, Float]]

# Up to which roll, 0..1, each style is taken: embossed 6%, raised 14%, and so on; the rest, 55%, is flat print.
_STYLES: tuple[tuple[float, _Style], ...] = (
    (0.06, _embossed),
    (0.20, _raised),
    (0.30, _embroidered),
    (0.36, _outlined),
    (0.42, _bordered),
    (0.45, _lit),
    (1.00, _flat),
)


def _style(roll: float, *, plated: bool) -> _Style:
    """Look a roll up in the table; on a plate, what would be embossed is raised."""
    style = next(style for share, style in _STYLES if roll < share)
    return _raised if plated and style is _embossed else style


def _relief(shape: Float, random: np.random.Generator, *, strength: float) -> Real:
    """Shade a raised or sunken mark under a light from some side: [H, W], about -1..1."""
    height = cv2.GaussianBlur(shape, (0, 0), random.uniform(1.0, 2.5))
    angle = random.uniform(0, 2 * np.pi)
    slope = cv2.Sobel(height, cv2.CV_32F, 1, 0) * np.cos(angle) + cv2.Sobel(height, cv2.CV_32F, 0, 1) * np.sin(angle)
    return np.asarray(np.clip(slope / 4 * strength, -0.9, 0.9))


def _chrome(colour: Real, random: np.random.Generator) -> Real:
    """Reflect a horizon: bright, dark and bright bands across the metal."""
    height = colour.shape[0]
    phase = np.linspace(0, random.uniform(1.0, 2.5) * np.pi, height) + random.uniform(0, np.pi)
    bands = (150 + 90 * np.cos(phase)).astype(np.float32)[:, None, None]
    share = random.uniform(0.4, 0.9)
    return np.asarray(np.clip(colour * (1 - share) + bands * share, 0, 255))
