"""How is a picture shown to people? Kept files to pixels: whole, a part of them, or brought into a reference's frame.

Untrusted bytes are decoded as everywhere, within `vision.decode`'s limits, upright and in sRGB; an SVG is drawn in a
process of its own. What leaves here was encoded anew, so that nothing of a file but its pixels reaches a browser.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from reference_brands.render import on_paper
from reference_brands.seed import WHITE
from reference_brands.untrusted import render_untrusted
from serving.decoding import Decoder, decode_here
from serving.new_reference import compared_view, is_svg, read_picture
from vision.aligning import aligned, extent
from vision.decode import DecodeLimits
from vision.headers import read_header
from vision.regions import Box, Point, crop
from vision.thumbnails import as_webp

MIN_EDGE, DEFAULT_EDGE, MAX_EDGE = 16, 1_280, 4_096
WEBP = "image/webp"
# What a browser neither shows nor runs.
_OPAQUE = "application/octet-stream"

_LIMITS = DecodeLimits()


@dataclass(frozen=True, kw_only=True)
class View:
    """What of a picture is shown: at most `edge` pixels long, and of it a `region` with `padding` around.

    `padding` is the share of the region's size by which it grows in all.
    """

    edge: int = DEFAULT_EDGE
    region: Box | None = None
    padding: float = 0.0

    @property
    def box(self) -> Box | None:
        """The part that is shown; None for all of it."""
        return None if self.region is None else self.region.grown(self.padding)


@dataclass(frozen=True)
class Shown:
    """A picture as it is given out: a file, what kind it is, and its size in pixels."""

    content: bytes
    media_type: str
    width: int
    height: int


def shown_photo(content: bytes, view: View, decoder: Decoder = decode_here) -> Shown:
    """Show a photo. Raises ImageError, and Overloaded from the decoder, as all of these do."""
    box = view.box
    # A part is decoded from so much of the original that it has `edge` pixels itself.
    share = 1.0 if box is None else max(box.x2 - box.x1, box.y2 - box.y1)
    pixels = _decoded(content, view.edge / share, decoder)
    return _encoded(pixels if box is None else crop(pixels, box), view)


def shown_reference(content: bytes, view: View, decoder: Decoder = decode_here) -> Shown:
    """Show a reference's file, whole or a part; an SVG on white. Raises ImageError, RenderError."""
    if not is_svg(content):
        return shown_photo(content, view, decoder)
    pixels = on_paper(render_untrusted(content, longest_edge=view.edge), WHITE)
    return _encoded(pixels if view.box is None else crop(pixels, view.box), view)


def shown_frame(content: bytes, box: Box | None, view: View, decoder: Decoder = decode_here) -> Shown:
    """Show what of a reference photos are compared with. Raises ImageError, RenderError, ReferenceTooSmall."""
    return _encoded(_frame(content, box, decoder), view)


def shown_aligned(
    photo: bytes,
    outline: tuple[Point, ...],
    reference: bytes,
    box: Box | None,
    view: View,
    decoder: Decoder = decode_here,
) -> Shown:
    """Show the part of a photo in which a reference was found in that reference's frame, at the frame's aspect.

    It is as large as the photo allows, within `view.edge`. Raises as `shown_frame` does.
    """
    height, width = _frame(reference, box, decoder).shape[:2]
    pixels = _decoded(photo, view.edge / min(extent(outline), 1.0), decoder)
    longest = extent(outline) * max(pixels.shape[:2])
    scale = min(view.edge, max(longest, width, height)) / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return _encoded(aligned(pixels, outline, size), view)


def original(content: bytes, decoder: Decoder = decode_here) -> Shown:
    """Give a file as it came. Raises ImageError."""
    if is_svg(content):
        return Shown(content, _OPAQUE, 0, 0)
    image = decoder(content)
    return Shown(content, f"image/{read_header(content).format.lower()}", image.width, image.height)


def etag_of(sha256: str, *made: object) -> str:
    """Name an answer by its file and what is made of it, which must say everything that its pixels depend on.

    The name does not tell the file's digest, which not everybody may know who sees the picture.
    """
    return hashlib.sha256(repr((sha256, *made)).encode()).hexdigest()


def _frame(content: bytes, box: Box | None, decoder: Decoder) -> NDArray[np.uint8]:
    return compared_view(read_picture(content, box, decoder=decoder), box)


def _decoded(content: bytes, edge: float, decoder: Decoder) -> NDArray[np.uint8]:
    return decoder(content, replace(_LIMITS, working_edge=min(MAX_EDGE, math.ceil(edge)))).pixels


def _encoded(pixels: NDArray[np.uint8], view: View) -> Shown:
    content = as_webp(pixels, edge=view.edge)
    header = read_header(content)
    return Shown(content, WEBP, header.width, header.height)
