"""Round marks: the disc is found, and the name along its rim is laid flat, so that it can be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.roundels import roundel
from vision.reading import BlindReader, LineReader, load_reader
from vision.roundels import find_disc, upper_rim


@pytest.fixture(scope="module")
def reader() -> LineReader:
    """Load the networks of rapidocr's wheel."""
    return load_reader()


def flat(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay the rim flat of a crop that has one."""
    rim = upper_rim(crop)
    assert rim is not None
    return rim


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
def test_a_disc_is_found_where_it_is(scale: float) -> None:
    """Its middle and radius are in the crop's own pixels, whatever its size, to a twentieth."""
    crop = cv2.resize(roundel("ZEPHYRA"), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    disc = find_disc(np.asarray(crop, np.uint8))

    assert disc is not None
    assert (disc.x, disc.y, disc.radius) == pytest.approx((200 * scale, 200 * scale, 150 * scale), rel=0.05)


def test_the_largest_disc_counts() -> None:
    """A ring within a badge is not its rim."""
    crop = cv2.circle(roundel("ZEPHYRA"), (200, 200), 70, (20, 20, 20), 6)

    disc = find_disc(np.asarray(crop, np.uint8))

    assert disc is not None
    assert disc.radius == pytest.approx(150, rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (64, 64)])
def test_where_nothing_is_round_there_is_no_rim(size: tuple[int, int]) -> None:
    """Plain paper, noise and corners of any size have no disc."""
    plain = np.full((*size, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    corner = plain.copy()
    corner[: size[0] // 2, : size[1] // 2] = 20

    assert [upper_rim(crop) for crop in (plain, noise, corner)] == [None, None, None]


@pytest.mark.parametrize(
    ("name", "turn"), [("ZEPHYRA", 0), ("STARBUCKS", 0), ("BMW", 0), ("VEXIL", 25), ("VEXIL", -25)]
)
def test_a_name_along_the_rim_is_read(reader: LineReader, name: str, turn: float) -> None:
    """Laid flat it reads as it is written, also where the badge is somewhat turned; as a crop it does not."""
    badge = roundel(name, turn=turn)

    (lines,) = reader.read_rims([flat(badge)])

    assert [words.text for words in lines] == [name]
    assert [words.text for words in reader.read([badge])[0]] != [name]


def test_rims_cost_what_their_size_says(reader: LineReader) -> None:
    """A rim without writing costs one pass of the detector, and the blind reader nothing."""
    bare = flat(roundel(""))
    before = reader.forwards

    assert reader.read_rims([bare]) == [()]
    assert reader.forwards - before == pytest.approx(192 * 32 * 10_593 / 383_907_552)
    assert BlindReader().read_rims([bare]) == [()]
