"""A drawing is laid over a part of a photo until it lies as it fits best."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vision.overlaying import Drawing, Part, small_drawing

INK, PAPER = 17, 255
# An L, a T and a ring of one colour: nothing of them has details.
SHAPES = ("L", "T", "ring")


def a_shape(name: str, *, edge: int = 200, ink: int = INK, paper: int = PAPER) -> NDArray[np.uint8]:
    """Draw a shape with a margin of 12 pixels of 200, grey levels uint8 [edge, edge]."""
    picture = np.full((200, 200), paper, np.uint8)
    if name == "L":
        picture[12:188, 40:90] = ink
        picture[140:188, 40:160] = ink
    elif name == "T":
        picture[12:60, 20:180] = ink
        picture[12:188, 76:124] = ink
    else:
        cv2.circle(picture, (100, 100), 70, ink, 36)
    return np.asarray(cv2.resize(picture, (edge, edge), interpolation=cv2.INTER_AREA), np.uint8)


def drawn(name: str, **how: int) -> Drawing:
    """Make what is laid over photos."""
    return Drawing(small_drawing(a_shape(name, **how)), 1.0)


def a_ground(seed: int, *, height: int, width: int) -> NDArray[np.uint8]:
    """Draw a ground of soft patches in many colours, none of them strong."""
    coarse = np.random.default_rng(seed).integers(70, 186, (7, 7, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def printed(
    name: str, *, turn: float = 0.0, wide: float = 1.0, colour: tuple[int, int, int] = (20, 150, 60)
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Print a shape on a ground; return what a finder cuts out of it, and where the picture's corners lie in that."""
    transform = cv2.getRotationMatrix2D((99.5, 99.5), -turn, 0.8) + np.array([(0, 0, 50), (0, 0, 50)])
    transform[0] *= wide
    size = round(300 * wide), 300
    mask = cv2.warpAffine(255 - a_shape(name, ink=0), transform, size).astype(np.float32)[..., None] / 255
    ground = a_ground(3, height=size[1], width=size[0])
    photo = np.rint(ground * (1 - mask) + np.array(colour) * mask).astype(np.uint8)
    rows, columns = np.flatnonzero(mask.max(axis=(1, 2)) > 0.5), np.flatnonzero(mask.max(axis=(0, 2)) > 0.5)
    (upper, lower), (left, right) = (
        (round(seen[0] - 0.1 * np.ptp(seen)), round(seen[-1] + 0.1 * np.ptp(seen))) for seen in (rows, columns)
    )
    corners = np.array([(0, 0), (200, 0), (200, 200), (0, 200)], np.float64) - 0.5
    places = corners @ transform[:, :2].T + transform[:, 2] + 0.5
    return photo[upper:lower, left:right], (places - (left, upper)) / (right - left, lower - upper)


@pytest.mark.parametrize("turn", [0.0, 11.0, -22.0])
@pytest.mark.parametrize("name", SHAPES)
def test_the_printed_drawing_explains_most(name: str, turn: float) -> None:
    """Of several shapes the one that is printed is told from the others, on any ground, and turned."""
    photo, _ = printed(name, turn=turn)

    laid = Part(photo).lay([drawn(each) for each in SHAPES])

    explained = [0.0 if one is None else one.explained for one in laid]
    assert SHAPES[int(np.argmax(explained))] == name
    assert max(explained) > 0.8
    assert sorted(explained)[-2] < 0.7


@pytest.mark.parametrize("turn", [0.0, 9.0])
def test_the_outline_is_where_the_picture_lies(turn: float) -> None:
    """The corners of the drawing's picture are found to within four hundredths of the part."""
    photo, corners = printed("L", turn=turn)

    (laid,) = Part(photo).lay([drawn("L")])

    assert laid is not None
    np.testing.assert_allclose(laid.outline, corners, atol=0.04)


def test_light_ink_is_ink() -> None:
    """What is drawn white on black is found as it is drawn black on white, and printed lighter than its ground."""
    photo, _ = printed("T", turn=8.0, colour=(250, 245, 240))

    dark, light = Part(photo).lay([drawn("T"), drawn("T", ink=255, paper=17)])

    assert dark is not None
    assert light is not None
    assert dark.explained > 0.8
    assert light.explained == pytest.approx(dark.explained, abs=0.01)


@pytest.mark.parametrize("ink", [120, 200, 240])
def test_pale_ink_is_ink(ink: int) -> None:
    """Yellow on white is drawn like black on white: what counts is the shape."""
    photo, _ = printed("L", turn=8.0)

    dark, pale = Part(photo).lay([drawn("L"), drawn("L", ink=ink)])

    assert dark is not None
    assert pale is not None
    assert pale.explained == pytest.approx(dark.explained, abs=0.02)


@pytest.mark.parametrize("blob", ["bar", "square", "disc"])
def test_a_soft_shade_is_no_mark(blob: str) -> None:
    """Of a plain blob little is proven where the photo only grows lighter to one side, and most where it is printed."""
    picture = np.full((200, 200), PAPER, np.uint8)
    if blob == "disc":
        cv2.circle(picture, (100, 100), 80, INK, -1)
    else:
        picture[20:180, (80 if blob == "bar" else 20) : (120 if blob == "bar" else 180)] = INK
    shade = np.tile(np.linspace(40, 220, 160), (160, 1))
    shaded = np.rint(np.dstack([shade, shade * 0.8, 255 - shade])).astype(np.uint8)
    plain = np.rint(a_ground(5, height=200, width=200) * (picture[..., None] == PAPER)).astype(np.uint8)
    drawing = Drawing(small_drawing(picture), 1.0)

    (by_chance,), (as_printed,) = (Part(each).lay([drawing]) for each in (shaded, plain))

    assert by_chance is None or by_chance.explained < 0.7
    assert as_printed is not None
    assert as_printed.explained > 0.85


def test_drawings_do_not_depend_on_each_other() -> None:
    """Each is laid as it is laid alone; an empty one lies nowhere."""
    photo, _ = printed("ring", turn=5.0)
    drawings = [drawn("ring"), Drawing(np.full((48, 48), 255, np.uint8), 1.0), drawn("T"), drawn("L")]

    together, alone = Part(photo).lay(drawings), [Part(photo).lay([one])[0] for one in drawings]

    assert together[1] is alone[1] is None
    for one, other in zip(together, alone, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.explained == pytest.approx(other.explained, abs=1e-4)
    assert Part(photo).lay([]) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 90), (90, 3), (60, 60)])
def test_a_part_of_one_colour_explains_nothing(shape: tuple[int, int]) -> None:
    """Nothing is printed where all is one colour, however small the part is."""
    for level in (0, 128, 255):
        for laid in Part(np.full((*shape, 3), level, np.uint8)).lay([drawn(each) for each in SHAPES]):
            assert laid is None or laid.explained < 0.01


@pytest.mark.parametrize("turn", [0.0, 14.0])
def test_a_wide_part_is_looked_at_in_its_own_shape(turn: float) -> None:
    """What is squeezed to be looked at is turned in its own shape."""
    photo, corners = printed("T", turn=turn, wide=2.5)

    (laid,) = Part(photo).lay([Drawing(small_drawing(a_shape("T")), 2.5)])

    assert laid is not None
    assert laid.explained > 0.8
    np.testing.assert_allclose(laid.outline, corners, atol=0.03)
