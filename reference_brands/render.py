"""How does a mark's SVG become pixels? Draws checked SVG once, then paints it in any colours with numpy.

The seed catalogue draws its marks with it. What strangers upload goes through `reference_brands.untrusted`, which does
the same in a process of its own.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reference_brands.errors import RenderError
from reference_brands.safe_svg import check_svg

MAX_EDGE = 4096
"""Pixels; 4096 x 4096 RGBA takes 64 MiB."""

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

_INVISIBLE = "the SVG draws nothing visible: check its fills and its view box"


def render(svg: bytes | str, *, longest_edge: int) -> NDArray[np.uint8]:
    """Draw an SVG that comes with us or with an installed package, in this process.

    Returns:
        uint8 [H, W, 4] RGBA, alpha not premultiplied; the longer of H and W is `longest_edge`.

    Raises:
        RenderError: the SVG is malformed, unsafe or too large; the message names the rule and the remedy.

    """
    import resvg_py

    check_edge(longest_edge)
    safe = check_svg(svg)
    try:
        # Given both edges, resvg keeps the aspect and fits the drawing inside them.
        # System fonts stay out: text would look different on every machine, and scanning for fonts takes seconds.
        png = resvg_py.svg_to_bytes(svg_string=safe, skip_system_fonts=True, width=longest_edge, height=longest_edge)
    except ValueError as error:
        raise RenderError(f"the SVG cannot be drawn: {error}") from error
    return decode_png(bytes(png))


def check_edge(longest_edge: int) -> None:
    """Refuse a size that cannot be drawn at."""
    if not 1 <= longest_edge <= MAX_EDGE:
        raise RenderError(f"cannot draw at {longest_edge} pixels; the longest edge must lie in 1..{MAX_EDGE}")


def decode_png(png: bytes) -> NDArray[np.uint8]:
    """Return the renderer's PNG as uint8 [H, W, 4] RGBA."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGBA"))


def tight_mask(rgba: NDArray[np.uint8], *, edge: int, margin: float) -> NDArray[np.uint8]:
    """Centre what is visible in a square, as `tight_square` does.

    Returns:
        uint8 [edge, edge] coverage, 0 (paper) to 255 (ink).

    """
    return tight_square(rgba, edge=edge, margin=margin)[..., 3]


def tight_square(rgba: NDArray[np.uint8], *, edge: int, margin: float) -> NDArray[np.uint8]:
    """Centre what is visible in a square.

    Args:
        rgba: uint8 [H, W, 4], no larger than the square's inside.
        edge: edge of the square in pixels.
        margin: empty border on each side as a share of the edge, 0..0.5.

    Returns:
        uint8 [edge, edge, 4] RGBA, transparent around the drawing.

    Raises:
        RenderError: nothing is visible, or the drawing does not fit.

    """
    alpha = rgba[..., 3]
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if rows.size == 0:
        raise RenderError(_INVISIBLE)
    ink = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = edge - 2 * round(edge * margin)
    if max(ink.shape[:2]) > inside:
        raise RenderError(f"a drawing of {ink.shape[1]} x {ink.shape[0]} pixels does not fit into {inside} x {inside}")
    square = np.zeros((edge, edge, 4), np.uint8)
    top, left = (edge - ink.shape[0]) // 2, (edge - ink.shape[1]) // 2
    square[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return square


def turned_square(rgba: NDArray[np.uint8], *, degrees: float, edge: int, margin: float) -> NDArray[np.uint8]:
    """Turn a drawing anticlockwise and stretch what is visible to fill a square, as a box found around it is squashed.

    Args:
        rgba: uint8 [H, W, 4].
        degrees: how far it is turned.
        edge: edge of the square in pixels.
        margin: empty border on each side as a share of the edge, 0..0.5.

    Returns:
        uint8 [edge, edge, 4] RGBA, transparent around the drawing.

    Raises:
        RenderError: nothing is visible.

    """
    turned = Image.fromarray(rgba).rotate(degrees, resample=Image.Resampling.BICUBIC, expand=True)
    visible = turned.getchannel("A").getbbox()
    if visible is None:
        raise RenderError(_INVISIBLE)
    border = round(edge * margin)
    inside = edge - 2 * border
    square = Image.new("RGBA", (edge, edge))
    square.paste(turned.resize((inside, inside), Image.Resampling.BICUBIC, box=visible), (border, border))
    return np.asarray(square)


def on_paper(rgba: NDArray[np.uint8], paper: Colour) -> NDArray[np.uint8]:
    """Lay a drawing, uint8 [H, W, 4], on paper of one colour: uint8 [H, W, 3] RGB."""
    share = rgba[..., 3:].astype(np.float32) / 255
    return np.rint(share * rgba[..., :3] + (1 - share) * np.asarray(paper, np.float32)).astype(np.uint8)


def paint(mask: NDArray[np.uint8], *, ink: Colour, paper: Colour) -> NDArray[np.uint8]:
    """Return uint8 [H, W, 3] RGB: `ink` where the mask uint8 [H, W] is 255, `paper` where it is 0, blends between."""
    share = np.arange(256, dtype=np.float32)[:, None] / 255
    ramp = share * np.asarray(ink, np.float32) + (1 - share) * np.asarray(paper, np.float32)
    return np.rint(ramp).astype(np.uint8).take(mask, axis=0)
