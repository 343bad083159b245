"""A product is cut out of a seller's photo and shown as a catalogue would, or is not found."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.catalogue_look import as_in_catalogue


def _photo(*, product: tuple[int, int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Paint a tall box of one colour on a noisy floor, 360 x 480."""
    noise = np.random.default_rng(seed).integers(-12, 12, (480, 360, 3))
    photo = np.full((480, 360, 3), (120, 90, 60)) + noise
    photo[100:380, 120:240] = np.array(product) + noise[100:380, 120:240]
    return np.clip(photo, 0, 255).astype(np.uint8)


def test_the_product_stands_on_white_and_a_quarter_wider() -> None:
    """The floor is gone; the box, 120 x 280, fills the height and is stretched as a squashed portrait is."""
    look = as_in_catalogue(_photo(product=(30, 60, 200)))

    assert look is not None
    assert look.shape == (256, 256, 3)
    assert (look[:, :8] == 255).all()
    blue = (look[..., 2].astype(int) - look[..., 0]) > 80
    rows, columns = np.flatnonzero(blue.any(axis=1)), np.flatnonzero(blue.any(axis=0))
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert 0.85 < height / 256 < 0.93
    assert abs(width / height - 120 / 280 / 0.75) < 0.05
    assert not (cv2.absdiff(look, np.full_like(look, (120, 90, 60))).max(axis=2) < 15).mean() > 0.02


def test_the_same_photo_gives_the_same_look() -> None:
    """Nothing depends on what ran before."""
    photo = _photo(product=(30, 60, 200))
    first = as_in_catalogue(photo)
    cv2.setRNGSeed(7)
    as_in_catalogue(_photo(product=(200, 30, 30), seed=3))

    again = as_in_catalogue(photo)
    assert first is not None
    assert again is not None
    assert np.array_equal(first, again)


def test_where_no_product_is_found_there_is_no_look() -> None:
    """A plain wall, a speck, and a photo of a few pixels show no product that could be cut out."""
    assert as_in_catalogue(np.full((200, 150, 3), 90, np.uint8)) is None
    assert as_in_catalogue(np.full((3, 3, 3), 90, np.uint8)) is None
    speck = _photo(product=(120, 90, 60))
    speck[236:244, 176:184] = (20, 30, 240)
    assert as_in_catalogue(speck) is None
