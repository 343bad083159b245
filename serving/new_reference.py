"""What is a reference on its way in? A brand's picture with the views that are embedded, before it is on record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.errors import ReferenceTooSmall
from index.records import Brand, Mark, Provenance, ReferenceKind, shows_mark
from reference_brands.render import on_paper
from reference_brands.renderings import DRAWING_EDGE, renderings
from reference_brands.seed import WHITE
from reference_brands.untrusted import render_untrusted
from serving.deadline import NEVER, Deadline
from serving.decoding import Decoder, decode_here
from vision.decode import DecodeLimits
from vision.regions import Box, crop

# A crop of a few pixels, blown up, resembles every blurry window: on FlickrLogos-27 the handful of boxes below this
# edge cost 5 points of recall at 1% false positives, and any limit from 12 to 24 pixels wins them back.
SMALLEST_REFERENCE = 16

SVG = "SVG"
# Pixels of a drawing that a box is cut from: a box of a tenth of the edge still has 100.
_BOXED_DRAWING_EDGE = 1024
# A byte order mark, an XML declaration and comments may come first; no format of pictures begins with "<".
_BEFORE_MARKUP = b"\xef\xbb\xbf \t\r\n"

_LIMITS = DecodeLimits()


@dataclass(frozen=True, eq=False, kw_only=True)
class Picture:
    """What a file shows. `views` are uint8 [H, W, 3], each embedded as a variant of its own.

    `width` and `height` are pixels of the upright original; an SVG's are those it is drawn at.
    """

    views: tuple[NDArray[np.uint8], ...]
    sha256: str
    width: int = 0
    height: int = 0
    image_format: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class NewReference:
    """A reference on its way in."""

    brand: Brand
    mark: Mark | None
    kind: ReferenceKind
    picture: Picture
    box: Box | None
    provenance: Provenance
    bank_id: str = ""

    @property
    def shows_mark(self) -> bool:
        """Whether the picture is a mark, as a region of a listing is, rather than a whole photo of a product."""
        return shows_mark(self.kind, self.box)

    @property
    def reference_id(self) -> str:
        """Derived from brand, kind, picture and box: the same reference has the same id on every installation."""
        return reference_id_of(self.brand.brand_id, self.kind, self.picture.sha256, self.box)


def reference_id_of(brand_id: str, kind: ReferenceKind, image_sha256: str, box: Box | None) -> str:
    """Derive a reference's id from what it shows."""
    corners = (box.x1, box.y1, box.x2, box.y2) if box else ()
    key = repr((brand_id, str(kind), image_sha256, corners))
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def read_picture(
    content: bytes,
    box: Box | None,
    limits: DecodeLimits = _LIMITS,
    *,
    decoder: Decoder = decode_here,
    deadline: Deadline = NEVER,
) -> Picture:
    """Read a file that nobody vouches for: a photo or scan, or an SVG, which is drawn.

    Raises:
        ImageError: the file is no picture that can be used.
        RenderError: the SVG must not or cannot be drawn.
        ReferenceTooSmall: what counts of it has too few pixels.
        DeadlineExceeded, Overloaded: from the decoder.

    """
    if is_svg(content):
        return _drawn(content, box)
    image = decoder(content, limits, deadline=deadline)
    return Picture(
        views=_views(image.pixels, box),
        sha256=image.sha256,
        width=image.width,
        height=image.height,
        image_format=image.format,
    )


def is_svg(content: bytes) -> bool:
    """Tell whether a file can only be a drawing."""
    return content[:256].lstrip(_BEFORE_MARKUP).startswith(b"<")


def compared_view(picture: Picture, box: Box | None) -> NDArray[np.uint8]:
    """Return the view whose points photos are compared by: a boxed mark's with surroundings, its edge stands out."""
    return picture.views[-1 if box else 0]


def _drawn(svg: bytes, box: Box | None) -> Picture:
    """Draw an SVG: as the seed catalogue draws marks, or, where a box is cut out of it, as it is on white."""
    rgba = render_untrusted(svg, longest_edge=DRAWING_EDGE if box is None else _BOXED_DRAWING_EDGE)
    height, width = rgba.shape[:2]
    return Picture(
        views=renderings(rgba) if box is None else _views(on_paper(rgba, WHITE), box),
        sha256=hashlib.sha256(svg).hexdigest(),
        width=width,
        height=height,
        image_format=SVG,
    )


def _views(pixels: NDArray[np.uint8], box: Box | None) -> tuple[NDArray[np.uint8], ...]:
    """Cut out a boxed reference twice: tight, and with some of its surroundings, as a listing's regions see it.

    Measured on FlickrLogos-27 (untrained model, 21 regions): 0.70 of the brands found with both, 0.66 with
    the tight one.
    """
    tight = pixels if box is None else crop(pixels, box)
    if (edge := int(min(tight.shape[:2]))) < SMALLEST_REFERENCE:
        raise ReferenceTooSmall(f"the reference has a shorter edge of {edge} pixels; give {SMALLEST_REFERENCE}")
    return (tight,) if box is None else (tight, crop(pixels, box.grown(0.2)))
