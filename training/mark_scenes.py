"""What would this mark look like in a seller's photo? Draws one mark into one photo: the test scenes of `eval marks`.

A renderer of its own, kept apart from the one that draws training scenes: a network that has learnt the quirks of its
training renderer gets no credit for them here. It is fixed and simple: the mark is printed flat on what the photo
shows, turned in space, in one ink that stands out, shaded by the ground; then the photo is blurred and compressed.
Changing anything here changes every figure of `eval marks`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reference_brands.render import Colour, render
from vision.regions import Box

Pixels = NDArray[np.uint8]
FloatArray = NDArray[np.float32]

LONGEST_EDGE = 480
"""Pixels of a scene: a listing's photo at preview size. The photos at hand are half as large, and are enlarged."""

AREA = (0.02, 0.30)
"""Smallest and largest share of the photo that the mark's bounding quadrilateral covers; small ones are likelier."""

MAX_TILT = math.radians(45)

_DRAWN_EDGE = 512  # pixels at which a mark is drawn before it is scaled down
_CAMERA_DISTANCE = 2.5  # in lengths of the mark's longer edge: a hand's breadth of print seen at arm's length
_FITS = 0.96  # a mark too long for its area is shrunk to this share of the photo's edges
_STANDS_OUT = 30.0  # Lab distance between ink and ground; about 2 is the least that people see
_NEARLY_EVERYWHERE = 0.8  # share of the ground around the mark from which its ink stands out
_SHADE_SIGMA = 16.0  # pixels: the light and shadow that fall on the ground darken the ink, its texture does not


@dataclass(frozen=True, eq=False, kw_only=True)
class Scene:
    """A photo with a mark in it: JPEG bytes, and the upright box around what is visible of the mark."""

    jpeg: bytes
    box: Box


def draw_scene(photo: Pixels, svg: str, colour: Colour, rng: np.random.Generator) -> Scene:
    """Print the mark `svg`, whose brand colour is `colour`, somewhere on `photo` uint8 [H, W, 3]; `rng` decides where.

    Raises RenderError when the SVG cannot be drawn.
    """
    ground = enlarged(photo)
    corners = place_quad(ground.shape[:2], _aspect(mark := _tight(svg)), rng)
    coverage = _warped(mark, corners, ground.shape[:2])
    ink = _ink(ground, coverage, colour, rng)
    printed = _print(ground, coverage * np.float32(rng.uniform(0.88, 1.0)), ink)
    return Scene(jpeg=spoil(printed, rng), box=_box(coverage))


def enlarged(photo: Pixels) -> Pixels:
    """Scale uint8 [H, W, 3] to the size of scenes, aspect kept."""
    scale = LONGEST_EDGE / max(photo.shape[:2])
    size = (max(1, round(photo.shape[1] * scale)), max(1, round(photo.shape[0] * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA), np.uint8)


def place_quad(shape: tuple[int, ...], aspect: float, rng: np.random.Generator) -> FloatArray:
    """Choose where a mark of `aspect` (width by height) lies in a photo of `shape` (height, width).

    Returns its corners as float32 [4, 2] (x, y) in pixels, from the top left one clockwise, all inside the photo: the
    mark turned about a random axis in space by up to 45 degrees, seen in perspective.
    """
    height, width = shape
    half = np.array([aspect, 1.0]) / (2 * max(aspect, 1.0))
    flat = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    turned = np.c_[flat, np.zeros(4)] @ _rotation(rng).T
    seen = turned[:, :2] * _CAMERA_DISTANCE / (_CAMERA_DISTANCE + turned[:, 2:])
    share = math.exp(rng.uniform(*np.log(AREA)))
    scale = math.sqrt(share * height * width / float(cv2.contourArea(seen.astype(np.float32))))
    extent = seen.max(axis=0) - seen.min(axis=0)
    scale = min(scale, *(_FITS * np.array([width, height]) / extent))
    room = np.array([width, height]) - extent * scale
    return np.asarray((seen - seen.min(axis=0)) * scale + rng.uniform(0, 1, 2) * room, np.float32)


def spoil(pixels: Pixels, rng: np.random.Generator) -> bytes:
    """Blur uint8 [H, W, 3] a little and compress it as phones and marketplaces do. Returns JPEG bytes."""
    blurred = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.3, 1.2))
    quality = int(rng.integers(55, 93))
    done, data = cv2.imencode(".jpg", cv2.cvtColor(blurred, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "JPEG encoding of uint8 pixels does not fail"
    return bytes(data)


def _tight(svg: str) -> Pixels:
    """Draw the mark and return its coverage uint8 [H, W], tight."""
    alpha = render(svg, longest_edge=_DRAWN_EDGE)[..., 3]
    left, top, width, height = cv2.boundingRect(alpha)
    return alpha[top : top + max(height, 1), left : left + max(width, 1)]


def _aspect(mark: Pixels) -> float:
    height, width = mark.shape
    return float(width / height)


def _rotation(rng: np.random.Generator) -> NDArray[np.float64]:
    axis = rng.normal(size=3)
    matrix, _ = cv2.Rodrigues(axis / np.linalg.norm(axis) * rng.uniform(0, MAX_TILT))
    return np.asarray(matrix, np.float64)


def _warped(mark: Pixels, corners: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Bring the mark into the quadrilateral: coverage float32 [H, W], 0..1."""
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    # Scaled down first, each pixel the mean of those that it replaces: sampling the large drawing would skip strokes.
    scale = min(1.0, float(edges.max()) * 1.2 / max(mark.shape))
    size = (max(2, round(mark.shape[1] * scale)), max(2, round(mark.shape[0] * scale)))
    small = cv2.resize(mark, size, interpolation=cv2.INTER_AREA)
    width, height = size
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners)
    warped = cv2.warpPerspective(small, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
    return np.asarray(warped / 255, np.float32)


def _ink(ground: Pixels, coverage: FloatArray, colour: Colour, rng: np.random.Generator) -> FloatArray:
    """Choose the ink, float32 [3]: the brand's colour, black, white or any other, the first one that stands out."""
    other: Colour = (int(rng.integers(256)), int(rng.integers(256)), int(rng.integers(256)))
    inks = np.array([colour, (17, 17, 17), (250, 250, 250), other], np.float32)
    box = cv2.boundingRect((coverage > 0).astype(np.uint8))
    beneath = ground[box[1] : box[1] + box[3], box[0] : box[0] + box[2]].reshape(-1, 3).astype(np.float32)
    distances = np.linalg.norm(_lab(beneath)[:, None] - _lab(inks)[None], axis=2)
    contrast = np.quantile(distances, 1 - _NEARLY_EVERYWHERE, axis=0)
    standing_out = [place for place in rng.permutation(len(inks)) if contrast[place] >= _STANDS_OUT]
    return np.asarray(inks[standing_out[0] if standing_out else int(contrast.argmax())], np.float32)


def _lab(colours: FloatArray) -> FloatArray:
    return np.asarray(cv2.cvtColor(colours[None] / 255, cv2.COLOR_RGB2LAB)[0], np.float32)


def _print(ground: Pixels, coverage: FloatArray, ink: FloatArray) -> Pixels:
    """Lay the ink on the ground, lighter and darker as the ground is there."""
    light = cv2.GaussianBlur(cv2.cvtColor(ground, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), _SHADE_SIGMA)
    usual = float((light * coverage).sum() / max(float(coverage.sum()), 1e-6))
    shade = np.clip(light / max(usual, 1.0), 0.8, 1.25)[..., None]
    share = coverage[..., None]
    return np.asarray(np.rint(np.clip(ground * (1 - share) + ink * shade * share, 0, 255)), np.uint8)


def _box(coverage: FloatArray) -> Box:
    left, top, width, height = cv2.boundingRect((coverage > 0.3).astype(np.uint8))
    down, across = coverage.shape
    return Box(left / across, top / down, (left + max(width, 1)) / across, (top + max(height, 1)) / down)
