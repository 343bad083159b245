"""Which spellings count as the same name? What `index.names` levels, and what it must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.names import normalise_name


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hermès", "HERMES"),
        ("Levi’s", "Levis"),
        ("Coca-Cola", "coca  cola"),
        ("ＧＵＣＣＩ", "Gucci"),
        ("Straße", "STRASSE"),
        ("Hugo\u00a0Boss", "Hugo Boss"),
    ],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    """Case, accents, width, apostrophes, hyphens and kinds of blanks make no difference."""
    assert normalise_name(one) == normalise_name(other)


@pytest.mark.parametrize(("one", "other"), [("Adidas", "Adibas"), ("が", "か"), ("H&M", "HM"), ("C++", "C")])
def test_other_names_stay_apart(one: str, other: str) -> None:
    """Look-alikes, voiced kana and signs that belong to a name are not levelled."""
    assert normalise_name(one) != normalise_name(other)


@given(st.text())
def test_normal_form_is_stable(name: str) -> None:
    """Normalising twice is normalising once, for any text."""
    assert normalise_name(normalise_name(name)) == normalise_name(name)
