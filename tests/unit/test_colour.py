"""Colours: terms for plain surfaces, shares, and what the backdrop and the middle of the photo do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vision.colour import COLOUR_NAMES, ColourShare, measure_colours
from vision.decode import decode

Rgb = tuple[int, int, int]
RED, BLUE, GREEN, WHITE = (200, 20, 30), (30, 60, 200), (20, 140, 50), (255, 255, 255)


def surface(colour: Rgb, *, height: int = 120, width: int = 120) -> NDArray[np.uint8]:
    """One colour all over."""
    return np.full((height, width, 3), colour, dtype=np.uint8)


def product(colour: Rgb, *, backdrop: Rgb, edge: int = 60) -> NDArray[np.uint8]:
    """Paint a square of one colour in the middle of a backdrop."""
    photo = surface(backdrop)
    start = (120 - edge) // 2
    photo[start : start + edge, start : start + edge] = colour
    return photo


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((0, 0, 0), "black"),
        ((25, 25, 27), "black"),
        ((128, 128, 128), "grey"),
        ((255, 255, 255), "white"),
        ((220, 20, 40), "red"),
        ((110, 20, 35), "maroon"),
        ((240, 130, 30), "orange"),
        ((250, 220, 40), "yellow"),
        ((30, 140, 50), "green"),
        ((95, 95, 45), "olive"),
        ((0, 120, 130), "teal"),
        ((30, 90, 210), "blue"),
        ((20, 28, 60), "navy"),
        ((110, 50, 150), "purple"),
        ((245, 150, 190), "pink"),
        ((110, 70, 40), "brown"),
        ((215, 195, 165), "beige"),
        ((255, 0, 0), "red"),
        ((0, 255, 0), "green"),
        ((0, 0, 255), "blue"),
    ],
)
def test_a_plain_surface_has_one_name(colour: Rgb, name: str) -> None:
    """Textbook colours get the name that people give them."""
    measured = measure_colours(surface(colour))

    assert measured == (ColourShare(name, 1.0),)
    assert name in COLOUR_NAMES


@pytest.mark.parametrize("backdrop", [WHITE, (240, 235, 225), (30, 30, 30), BLUE])
def test_the_backdrop_is_left_out(backdrop: Rgb) -> None:
    """However much of the photo it covers."""
    measured = measure_colours(product(RED, backdrop=backdrop, edge=40))

    assert measured[0].name == "red"
    assert measured[0].share > 0.8


def test_a_backdrop_with_a_gentle_gradient_and_noise_is_left_out() -> None:
    """Studio paper is never quite even."""
    photo = product(GREEN, backdrop=WHITE).astype(int)
    rng = np.random.default_rng(3)
    photo = photo - np.linspace(0, 12, 120).astype(int)[:, np.newaxis, np.newaxis] + rng.integers(-2, 3, photo.shape)

    measured = measure_colours(np.clip(photo, 0, 255).astype(np.uint8))

    assert measured[0].name == "green"
    assert measured[0].share > 0.85


def test_a_white_product_on_white_is_white() -> None:
    """When next to nothing is left beside the backdrop, the whole photo counts."""
    assert measure_colours(product((252, 252, 252), backdrop=WHITE))[0].name == "white"


def test_what_encloses_the_product_s_own_white_does_not_hide_it() -> None:
    """Only what hangs together with the border is backdrop."""
    photo = product(BLUE, backdrop=WHITE, edge=80)
    photo[45:75, 45:75] = WHITE

    names = [colour.name for colour in measure_colours(photo)]

    assert sorted(names[:2]) == ["blue", "white"]


def test_the_middle_counts_more_than_the_rim() -> None:
    """Two halves of a busy photo: what stands in the middle is what is sold."""
    photo = surface(GREEN)
    photo[::2, :30] = WHITE
    photo[30:90, 40:80] = RED

    assert measure_colours(photo)[0].name == "red"


def test_shares_fall_and_sum_to_at_most_one() -> None:
    """Largest first; small rests are left out, so the sum may stay below one."""
    photo = surface(RED)
    photo[:, 60:] = BLUE
    photo[50:70, 50:64] = GREEN

    measured = measure_colours(photo, most=3)

    shares = [colour.share for colour in measured]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 1 + 1e-9
    assert min(shares) >= 0.05


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_colours_than_asked_for(most: int) -> None:
    """`most` bounds the answer."""
    photo = np.concatenate([surface(colour, width=40) for colour in (RED, GREEN, BLUE)], axis=1)

    assert len(measure_colours(photo, most=most)) == most


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (2, 2), (3, 900)])
def test_any_size_will_do(shape: tuple[int, int]) -> None:
    """Crops may be tiny or thin."""
    assert measure_colours(surface(RED, height=shape[0], width=shape[1]))[0].name == "red"


def test_the_same_photo_gives_the_same_answer_and_stays_as_it_was() -> None:
    """Nothing is drawn at random, nothing is written to the input."""
    photo = np.random.default_rng(5).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    before = photo.copy()

    assert measure_colours(photo) == measure_colours(photo)
    np.testing.assert_array_equal(photo, before)


@pytest.mark.data
def test_real_labels_are_met_as_often_as_the_module_says(eval_data: Path) -> None:
    """The first colour of at least 60% of the labelled fashion photos is the seller's label."""
    same = {name.capitalize(): name for name in COLOUR_NAMES} | {
        "Navy Blue": "navy",
        "Charcoal": "grey",
        "Tan": "brown",
    }
    rows = [json.loads(line) for line in (eval_data / "fashion" / "validation.jsonl").read_text().splitlines()]
    labelled = [(row["images"][0], same[row["labels"]["colour"]]) for row in rows if row["labels"]["colour"] in same]

    right = sum(
        measure_colours(decode((eval_data / "fashion" / image).read_bytes()).pixels)[0].name == label
        for image, label in labelled
    )

    assert len(labelled) > 1_000
    assert right / len(labelled) >= 0.6
