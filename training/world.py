"""What does a mark look like once the world has printed it? Marks into pictures, before the camera takes them.

`photograph` lays one piece of artwork into a ground. The order is the world's: the mark is made in a style
(`training.printing`), lies on an object that bends and turns (`training.placing`), light falls on it and something
stands in front of it (here), and a camera takes the picture (`training.camera`). Every choice comes from the generator
passed in, and the order of random draws is part of the format: changing it changes every picture of a seed.
"""

from __future__ import annotations

import cv2
import numpy as np

from training.artworks import Artwork
from training.inks import any_backing
from training.pixels import Float, PixelBox, Pixels
from training.placing import bend, look_up, place
from training.printing import make_sheet


def photograph(
    artwork: Artwork, ground: Pixels, random: np.random.Generator, *, longest: float
) -> tuple[Pixels, PixelBox | None]:
    """Lay `artwork` into `ground`, uint8 [H, W, 3] RGB, its longer edge about `longest` pixels, somewhere inside.

    Returns the picture (before the camera: see `training.camera.expose`) and the mark's box (x1, y1, x2, y2) in pixels.
    Where hardly anything of the mark is left in the picture, the box is None and the picture is `ground` itself.
    """
    sheet = make_sheet(artwork, ground, random)
    size = sheet.shape.shape
    back, window = place(size, ground.shape[:2], random, longest=longest)
    columns, rows = bend(*look_up(back, window), size, random)
    colour = cv2.remap(sheet.colour, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    layers = cv2.remap(np.dstack([sheet.cover, sheet.shape]), columns, rows, cv2.INTER_LINEAR, borderValue=0)
    cover, shape = (np.asarray(layer, np.float32) for layer in cv2.split(layers))
    box = _box_of(shape)
    if box is None:
        return ground, None
    left, top, right, bottom = window
    base = ground[top:bottom, left:right].astype(np.float32)
    if random.random() < 0.25:  # the mark stands off its ground and throws a shadow
        base *= 1 - _shadow(cover, random)[..., None]
    lit = colour * _light_of(base, random)[..., None]
    picture = base + (lit - base) * cover[..., None]
    if random.random() < 0.3:
        picture = _occlude(picture, ground, box, random)
    laid = ground.copy()
    laid[top:bottom, left:right] = np.clip(picture, 0, 255).astype(np.uint8)
    return laid, (box[0] + left, box[1] + top, box[2] + left, box[3] + top)


def _box_of(shape: Float) -> PixelBox | None:
    """Find the box around what is seen of a mark, [H, W] 0..1; None below 4 pixels of width or height."""
    seen = shape > 0.25
    columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    if len(columns) < 4 or len(rows) < 4:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _light_of(base: Float, random: np.random.Generator) -> Float:
    """Take light and shade from the ground, so that the print lies in its folds: float32 [H, W], about 1."""
    grey = np.asarray(cv2.GaussianBlur(base.mean(axis=2), (0, 0), random.uniform(1.5, 12)), np.float32)
    strength = random.uniform(0, 1)
    return np.asarray(np.clip((grey + 20) / (float(grey.mean()) + 20), 0.4, 1.5) ** strength, np.float32)


def _shadow(cover: Float, random: np.random.Generator) -> Float:
    """Throw the shadow of what covers the ground, [H, W] 0..1: how much light it takes, float32 [H, W] 0..0.8."""
    across, down = random.uniform(-6, 6, 2)
    moved = cv2.warpAffine(cover, np.array([[1, 0, across], [0, 1, down]], np.float32), cover.shape[::-1])
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), random.uniform(1, 4)) * random.uniform(0.3, 0.8), np.float32)


def _occlude(picture: Float, ground: Pixels, box: PixelBox, random: np.random.Generator) -> Float:
    """Put something in front of up to a third of the mark: a piece of other picture, or a finger's shape."""
    x1, y1, x2, y2 = box
    centre = (int(random.uniform(x1, x2)), int(random.uniform(y1, y2)))
    axes = (int(max((x2 - x1) * random.uniform(0.05, 0.3), 2)), int(max((y2 - y1) * random.uniform(0.1, 0.6), 2)))
    front = np.zeros(picture.shape[:2], np.uint8)
    cv2.ellipse(front, centre, axes, random.uniform(0, 180), 0, 360, 255, -1)
    cover = (cv2.GaussianBlur(front, (0, 0), 1.0).astype(np.float32) / np.float32(255))[..., None]
    if random.random() < 0.6:
        other = _other_part(ground, picture.shape[:2], random).astype(np.float32)
    else:
        other = any_backing(random).astype(np.float32)
    return picture * (1 - cover) + other * cover


def _other_part(ground: Pixels, size: tuple[int, ...], random: np.random.Generator) -> Pixels:
    """Cut a piece of a size [h, w] out of the ground, anywhere."""
    top, left = (int(random.integers(whole - part + 1)) for whole, part in zip(ground.shape[:2], size, strict=True))
    return ground[top : top + size[0], left : left + size[1]]
