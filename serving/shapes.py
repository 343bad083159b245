"""Which marks may nobody have to itself? Plain shapes, patterns and single letters, drawn in several forms.

A brand that registers one of them as its mark would match goods of everybody. They are drawn here rather than
collected, black on white and white on black, as large as a mark is cut out and smaller.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

EDGE = 224
_SIZES = (0.88, 0.66)  # of the edge
_FLAT = ("white", "black", "grey", "red", "green", "blue", "yellow", "orange", "pink", "beige", "brown", "navy")
_STEPS = (12, 16, 22, 28, 38, 52)  # pixels of a stripe
# Name, corners, and by how many degrees the first one is turned from the right.
_POLYGONS = (("a triangle", 3, -90.0), ("a triangle", 3, 90.0), ("a diamond", 4, 0.0), ("a hexagon", 6, 0.0))

Draw = Callable[[ImageDraw.ImageDraw, float], None]


def common_shapes() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Draw each shape in its forms: what it is called, with an article, and uint8 [224, 224, 3] RGB."""
    for colour in _FLAT:
        yield "a plain surface", np.asarray(Image.new("RGB", (EDGE, EDGE), colour))
    for name, draw in _outlines():
        for size in _SIZES:
            yield from _both_ways(name, _drawn(draw, size * EDGE / 2))
    for letter in string.ascii_uppercase + string.digits:
        name = f"the single letter {letter}" if letter.isalpha() else f"the number {letter}"
        yield from _both_ways(name, _set(letter))
    for step in _STEPS:
        rows, columns = np.indices((EDGE, EDGE)) // step
        for name, cells in (
            ("stripes", columns), ("stripes", rows), ("stripes", np.add(*np.indices((EDGE, EDGE))) // step),
            ("a check pattern", rows + columns),
        ):  # fmt: skip
            yield from _both_ways(name, _grey(np.where(cells % 2, 255, 0)))
        yield "a check pattern", _grey(255 - 100 * (rows % 2) - 100 * (columns % 2))


def _outlines() -> Iterator[tuple[str, Draw]]:
    """Name what is drawn around the middle, each within a radius."""
    for name, corners, turn in _POLYGONS:
        yield name, partial(_polygon, corners=corners, turn=turn, width=0)
        yield name, partial(_polygon, corners=corners, turn=turn, width=10)
    yield "a square", lambda pen, radius: pen.rectangle(_around(radius), fill=0)
    yield "a square", lambda pen, radius: pen.rectangle(_around(radius), outline=0, width=10)
    yield "a circle", lambda pen, radius: pen.ellipse(_around(radius), fill=0)
    yield "a ring", lambda pen, radius: pen.ellipse(_around(radius), outline=0, width=8)
    yield "a ring", lambda pen, radius: pen.ellipse(_around(radius), outline=0, width=24)
    yield "a star", lambda pen, radius: pen.polygon(_star(radius), fill=0)
    yield "a cross", _cross
    yield "a line", lambda pen, radius: pen.line((EDGE / 2 - radius, EDGE / 2, EDGE / 2 + radius, EDGE / 2), 0, 12)
    yield "a heart", _heart


def _around(radius: float) -> tuple[float, float, float, float]:
    return EDGE / 2 - radius, EDGE / 2 - radius, EDGE / 2 + radius, EDGE / 2 + radius


def _polygon(pen: ImageDraw.ImageDraw, radius: float, *, corners: int, turn: float, width: int) -> None:
    """Draw a regular polygon, filled where the width of its line, in pixels, is 0."""
    points = _corners(corners, radius, turn)
    if width:
        pen.polygon(points, outline=0, width=width)
    else:
        pen.polygon(points, fill=0)


def _corners(corners: int, radius: float, turn: float) -> list[tuple[float, float]]:
    angles = [math.radians(turn + 360 * corner / corners) for corner in range(corners)]
    return [(EDGE / 2 + radius * math.cos(angle), EDGE / 2 + radius * math.sin(angle)) for angle in angles]


def _star(radius: float) -> list[tuple[float, float]]:
    outer, inner = _corners(5, radius, -90), _corners(5, radius * 0.382, -54)  # of a pentagram
    return [point for pair in zip(outer, inner, strict=True) for point in pair]


def _cross(pen: ImageDraw.ImageDraw, radius: float) -> None:
    middle, arm = EDGE / 2, radius / 3
    pen.rectangle((middle - radius, middle - arm, middle + radius, middle + arm), fill=0)
    pen.rectangle((middle - arm, middle - radius, middle + arm, middle + radius), fill=0)


def _heart(pen: ImageDraw.ImageDraw, radius: float) -> None:
    angles = np.linspace(0, 2 * math.pi, 200)
    across = 16 * np.sin(angles) ** 3
    up = 13 * np.cos(angles) - 5 * np.cos(2 * angles) - 2 * np.cos(3 * angles) - np.cos(4 * angles)
    points = [(EDGE / 2 + x * radius / 17, EDGE / 2 - y * radius / 17) for x, y in zip(across, up, strict=True)]
    pen.polygon(points, fill=0)


def _drawn(draw: Draw, radius: float) -> NDArray[np.uint8]:
    image = Image.new("L", (EDGE, EDGE), 255)
    draw(ImageDraw.Draw(image), radius)
    return _grey(np.asarray(image))


def _set(letter: str) -> NDArray[np.uint8]:
    """Set a letter in the font that comes with Pillow."""
    image = Image.new("L", (EDGE, EDGE), 255)
    font = ImageFont.load_default(size=EDGE)
    ImageDraw.Draw(image).text((EDGE / 2, EDGE / 2), letter, font=font, fill=0, anchor="mm", stroke_width=5)
    return _grey(np.asarray(image))


def _grey(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


def _both_ways(name: str, dark: NDArray[np.uint8]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    yield name, dark
    yield name, 255 - dark
