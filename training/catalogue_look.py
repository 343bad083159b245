"""How would a catalogue show the product of a seller's photo? Cut out, on white, the portrait squashed to a square.

The category head learns from photos that users took at home, and is asked about catalogue pictures as well. The same
product in both looks tells it what does not matter (`training.probe.Looks`). GrabCut (Rother and others, 2004) finds
the product, which is assumed to lie around the middle and clear of the edges.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_WORKING = 144  # pixels of the longer edge at which the product is found: enough for an outline
_FINE = 400  # of the longer edge at which it is cut out
_SIDE = 256  # of the picture that comes out
_EDGE = 0.04  # share of the longer edge that is surely background
_REACH = 0.42  # half axes of the ellipse that is probably product, as shares of width and height
_ROUNDS = 3
_PIECE = 0.15  # of the largest piece's area: smaller pieces are no part of the product
_PLAUSIBLE = (0.06, 0.85)  # shares of the photo that a product covers; what is not between was not found
_MARGIN = 1.12  # the picture's side, as a multiple of the product's longer one
_PORTRAIT = 0.75  # width of a catalogue's portrait, as a share of its height


def as_in_catalogue(pixels: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Show the product of a photo, uint8 [H, W, 3], as a catalogue would: uint8 [256, 256, 3]; None if none is found.

    The same photo gives the same picture.
    """
    fine = _within(pixels, _FINE)
    small = _within(fine, _WORKING)
    found = _product(small)
    if found is None:
        return None
    height, width = fine.shape[:2]
    smooth = cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    share = cv2.GaussianBlur(smooth, (0, 0), max(height, width) / 300)[..., np.newaxis]
    white = (fine * share + 255 * (1 - share)).astype(np.uint8)
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    scale = height / len(found), width / found.shape[1]
    top, bottom = int(rows[0] * scale[0]), int((rows[-1] + 1) * scale[0])
    left, right = int(columns[0] * scale[1]), int((columns[-1] + 1) * scale[1])
    return _portrait(white[top:bottom, left:right])


def _within(pixels: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(edge * scale)) for edge in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _product(small: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Say which pixels show the product: bool [h, w]."""
    height, width = small.shape[:2]
    across, down = (np.arange(length) - length / 2 for length in (width, height))
    inside = (down[:, np.newaxis] / (height * _REACH)) ** 2 + (across / (width * _REACH)) ** 2 <= 1
    mask = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    edge = max(2, round(_EDGE * max(height, width)))
    mask[:edge] = mask[-edge:] = mask[:, :edge] = mask[:, -edge:] = cv2.GC_BGD
    cv2.setRNGSeed(0)  # GrabCut starts from a random clustering
    try:
        whole = (0, 0, width, height)  # not heeded beside a mask
        cv2.grabCut(small, mask, whole, np.zeros((1, 65)), np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:  # nothing but one colour, or a photo of a few pixels
        return None
    product = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(product)
    areas = facts[:, cv2.CC_STAT_AREA]
    large = [piece for piece in range(1, count) if areas[piece] >= _PIECE * areas[1:].max()]
    found: NDArray[np.bool_] = np.isin(pieces, large)
    return found if _PLAUSIBLE[0] < found.mean() < _PLAUSIBLE[1] else None


def _portrait(product: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put the cut-out on white, take a portrait's width of it, and squash that to the square."""
    height, width = product.shape[:2]
    side = round(max(height, width) * _MARGIN)
    canvas = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = product
    beside = round(side * (1 - _PORTRAIT) / 2)
    portrait = canvas[:, beside : side - beside]
    return np.asarray(cv2.resize(portrait, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)
