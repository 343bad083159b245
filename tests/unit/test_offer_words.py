"""Declared sales and lots: which words are taken at their word."""

from __future__ import annotations

import pytest

from index.offer_words import DeclaredSale, declared_sale, declared_units


@pytest.mark.parametrize(
    ("text", "price", "off"),
    [
        ("Nike Air -40%", 60, 0.4),
        ("Nike Air 40% OFF today", 60, 0.4),
        ("Nike Tasche, 30 % Rabatt", 50, 0.3),
        ("Sac soldé -50%", 50, 0.5),
        ("70% de descuento", 30, 0.7),
        ("耐克 7折", 70, 0.3),
        ("reduced from 120 to 70", 70, 0.4167),
        ("von 120 € auf 70 €", 70, 0.4167),
        ("statt 1.299,00 € nur 649,50 €", 649.5, 0.5),
        ("was $120.00, now $60", 60, 0.5),
        ("原价1200", 600, 0.5),
    ],
)
def test_a_stated_sale_is_read(text: str, price: float, off: float) -> None:
    """Percentages and prices before the sale are read in several languages."""
    found = declared_sale(text, price=price)

    assert found is not None
    assert found.off == pytest.approx(off)
    assert found.words


@pytest.mark.parametrize("text", ["Summer sale!", "Reduziert", "En solde", "特价", "распродажа"])
def test_a_sale_without_a_size_is_read(text: str) -> None:
    """The word alone declares a sale of unknown size."""
    found = declared_sale("A nice bag", text, price=10)

    assert found is not None
    assert found.off is None


@pytest.mark.parametrize(
    "text",
    [
        "100% cotton",
        "for sale: Nike Air",
        "from 5 to 10 years",
        "Shoes, 50% synthetic",
        "black-40 jeans",
        "wholesale Nike",
        "was 50",
        "-99%",
        "",
    ],
)
def test_other_words_declare_no_sale(text: str) -> None:
    """Materials, sizes, offers and impossible cuts are no sale."""
    assert declared_sale(text, price=60) is None


def test_the_title_goes_before_the_description() -> None:
    """The first text that speaks of a sale is believed."""
    assert declared_sale("-20%", "-70%") == DeclaredSale(0.2, "-20%")


@pytest.mark.parametrize(
    ("title", "units"),
    [
        ("Pack of 3 socks", 3),
        ("3-pack socks", 3),
        ("10er Pack Socken", 10),
        ("2x Nike shirt", 2),
        ("Nike shirt (x4)", 4),
        ("lot de 5 t-shirts", 5),
        ("袜子 3双装", 3),
        ("Socks (6 pairs)", 6),
        ("Nike Air Max 90", 1),
        ("iPhone 12 64GB", 1),
        ("4x4 toy truck", 1),
        ("24-piece dinner set", 1),
        ("500 pcs screws", 1),
        ("pack of 2, pack of 3", 1),
        ("2x zoom lens", 1),
        ("1 pair of shoes", 1),
    ],
)
def test_pieces_are_read_from_a_title(title: str, units: int) -> None:
    """Lots are counted; model numbers, sets of parts and contradictions are not."""
    assert declared_units(title) == units
