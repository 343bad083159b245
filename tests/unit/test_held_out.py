"""Do training and evaluation keep the same brands apart? The rule, by every spelling a brand comes in."""

from __future__ import annotations

import pytest

from reference_brands.held_out import FLICKRLOGOS_27, is_held_out
from reference_brands.seed import seed_marks


def test_the_dataset_has_27_brands() -> None:
    """Every brand of FlickrLogos-27 stands in the list once, and is held out."""
    assert len(set(FLICKRLOGOS_27)) == 27
    assert all(is_held_out(name) for name in FLICKRLOGOS_27)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Cocacola",
            "coca-cola",
            "COCA COLA",
            "coke",
            "McDonalds",
            "RedBull",
            "red-bull",
            "Nbc",
            "hp",
            "hewlett-packard",
        ),
        *(
            "Citroen",
            "citroën",
            "adidas-2",
            "google-pay-icon",
            "applemusic",
            "ferrarinv",
            "intel-inside",
            "Mini Cooper",
        ),
    ],
)
def test_spellings_and_products_of_those_brands_are_held_out(name: str) -> None:
    """Labels, slugs and file names of the 27 brands, and what is named after them, are held out."""
    assert is_held_out(name)


def test_a_tenth_of_all_other_brands_is_held_out() -> None:
    """The hash keeps about one in ten of 5,000 made-up brands, always the same ones."""
    kept = [number for number in range(5000) if is_held_out(f"brand {number}")]

    assert 400 < len(kept) < 600
    assert kept[:3] == [0, 6, 12]


def test_one_name_held_out_is_enough() -> None:
    """Whichever of its names a brand is asked about by, it stays out."""
    assert not is_held_out("Fordson")
    assert is_held_out("Fordson", "Nike")


def test_a_marks_slug_and_title_agree() -> None:
    """Training that goes by slugs and evaluation that goes by titles hold out the same marks, signs and accents too."""
    brands = ["h-and-m", "citroen", "skoda", "mcdonalds", "dota-2", "battle-net", "paramount"]
    marks = list(seed_marks(brands, earlier=False))

    assert len(marks) == 7
    assert all(is_held_out(mark.mark_id) == is_held_out(mark.name) for mark in marks)


@pytest.mark.parametrize("name", ["", "  ", "!?"])
def test_no_name_is_not_held_out(name: str) -> None:
    """Nothing to go by holds nothing out."""
    assert not is_held_out(name)
