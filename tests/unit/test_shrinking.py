"""A picture made smaller by halves is what averaging at once makes of it, but for a grey level or two."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.unit.test_keypoints import a_picture
from vision.shrinking import shrunk


@pytest.mark.parametrize(("width", "height"), [(448, 336), (256, 256), (64, 48), (1, 1), (1000, 751)])
@pytest.mark.parametrize("grey", [False, True])
def test_halves_average_as_the_whole_does(width: int, height: int, grey: bool) -> None:
    """Odd edges lose a row or a column a halving, and sizes that are no half of anything come out as asked."""
    picture = cv2.GaussianBlur(a_picture(2, height=751, width=1000), (0, 0), 3)
    pixels = np.asarray(picture[..., 0] if grey else picture, np.uint8)

    found = shrunk(pixels, width=width, height=height)

    assert found.shape == ((height, width) if grey else (height, width, 3))
    expected = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(found - expected).mean() < 1.5


def test_a_picture_of_that_size_stays_as_it_is() -> None:
    """Nothing is averaged where nothing is to be done."""
    picture = a_picture()

    assert shrunk(picture, width=320, height=240) is picture
