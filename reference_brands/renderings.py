"""How does an owner's own drawing look on goods? Its renderings: what `reference_brands.seed` makes of a mark.

A mark of one colour comes on goods in any colour, so it is painted as the seed catalogue's are. One of several keeps
its own, on white and on black: its outline alone (a disc, a shield) would resemble half the world. Either is turned a
little as well; what brings its own paper is not, for the paper's edges would be turned with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_brands.render import Colour, on_paper, tight_square
from reference_brands.seed import BLACK, RENDER_EDGE, RENDER_MARGIN, WHITE, one_coloured, turned

DRAWING_EDGE = RENDER_EDGE - 2 * round(RENDER_EDGE * RENDER_MARGIN)
"""Pixels of the longest edge that `renderings` expects: what is left of a rendering within its margin."""

_SAME_INK = 24.0
"""Euclidean RGB distance, 0..442, within which the pixels of a drawing of one colour stay; export rounds a little."""

_VISIBLE = 20.0
"""Mean difference per channel, 0..255, between a drawing and its paper; below it next to nothing is seen."""


def renderings(rgba: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """Paint a drawing, uint8 [H, W, 4] of longest edge `DRAWING_EDGE`, in the ways in which it may appear.

    Returns:
        uint8 [224, 224, 3] RGB, one or more.

    Raises:
        RenderError: nothing is visible.

    """
    square = tight_square(rgba, edge=RENDER_EDGE, margin=RENDER_MARGIN)
    if (rgba[..., 3] == 255).all():  # it brings its own paper
        return (on_paper(square, WHITE),)
    if (colour := _only_colour(square)) is not None:
        return one_coloured(rgba, colour)
    papers = [paper for paper in (WHITE, BLACK) if _is_seen(square, paper)] or [WHITE]
    return (*(on_paper(square, paper) for paper in papers), *(on_paper(each, papers[0]) for each in turned(rgba)))


def _only_colour(square: NDArray[np.uint8]) -> Colour | None:
    """Return the one colour of what is drawn; None when there are several."""
    drawn = square[square[..., 3] > 127, :3].astype(np.float32)
    if not len(drawn):
        return None
    middle = np.median(drawn, axis=0)
    if float(np.linalg.norm(drawn - middle, axis=1).max()) > _SAME_INK:
        return None
    red, green, blue = (int(channel) for channel in middle)
    return red, green, blue


def _is_seen(square: NDArray[np.uint8], paper: Colour) -> bool:
    drawn = square[..., 3] > 0
    difference = np.abs(on_paper(square, paper)[drawn].astype(np.int16) - np.asarray(paper, np.int16))
    return float(difference.mean()) >= _VISIBLE
