"""Do product lines name their brand in a listing's words, and nobody another's in its place? Keywords and names."""

from __future__ import annotations

import pytest

from index.records import Brand
from serving.brand_names import taken_names
from serving.domain import Listing
from serving.findings import TextKind
from serving.words.lexicon import BrandLexicon
from serving.words.wording import find_wording

NIKE = Brand(brand_id="nike", name="Nike")
ADIDAS = Brand(brand_id="adidas", name="Adidas")
VUITTON = Brand(brand_id="vuitton", name="Louis Vuitton")
POLARIS = Brand(brand_id="polaris", name="Polaris", aliases=("Polaris Sport",))


def _named(keywords: dict[str, list[str]], title: str, *, claimed: str = "") -> set[str]:
    lexicon = BrandLexicon.build([ADIDAS, NIKE, POLARIS], keywords)
    listing = Listing(listing_id="l", images=(), title=title, claimed_brand=claimed)
    return {hit.brand for hit in find_wording(listing, lexicon) if hit.kind is TextKind.BRAND}


@pytest.mark.parametrize(
    "title", ["Zoomwalk 3 trainers", "ZOOMWALK", "new trainers, Zoom Walk, for running in black", "ｚｏｏｍｗａｌｋ"]
)
def test_keyword_names_its_brand(title: str) -> None:
    """A product line names the brand that it belongs to, however it is written."""
    assert _named({"nike": ["Zoom Walk", "Zoomwalk"]}, title) == {"Nike"}


@pytest.mark.parametrize(
    ("title", "brands"),
    [
        ("Air Max 90 trainers in white", {"Nike"}),
        ("air max 90 trainers", set()),
        ("maximum air flow for your Max", set()),
        ("Classic trainers in white", set()),
        ("max power vacuum cleaner, Air filter", set()),
    ],
)
def test_everyday_words_name_only_as_names(title: str, brands: set[str]) -> None:
    """A keyword of everyday words counts when it is written as a name, and a single everyday word never."""
    assert _named({"nike": ["Air Max", "Classic"]}, title) == brands


def test_claimed_brand_vouches_for_its_keywords() -> None:
    """Beside the claimed brand, an everyday keyword is a name in small letters, too."""
    assert _named({"nike": ["Air Max"]}, "air max 90 trainers", claimed="Nike") == {"Nike"}


def test_claim_is_not_read_as_a_keyword() -> None:
    """Who claims a product line as the brand claims no brand of the registry."""
    lexicon = BrandLexicon.build([NIKE], {"nike": ["Zoomwalk"]})

    assert lexicon.resolve("Zoomwalk") is None


@pytest.mark.parametrize(
    "keyword",
    [
        "Nike", "Nike shoes", "shoes by nike", "NIKE", "Nіke", "Nikke shoes", "Adidass", "buy Nikke",
        "buy Louis", "buy Luois", "Louis", "Luois",
    ],
)  # fmt: skip
def test_keyword_hides_no_other_brand(keyword: str) -> None:
    """Whatever a brand's owner sets, another brand's name and what imitates it are found as before."""
    titles = (
        "buy Nike shoes", "buy Nikke shoes", "shoes by nike", "Adidass trainers", "buy Louis Vuitton",
        "buy Luois Vuitton",
    )  # fmt: skip
    without, with_it = (
        BrandLexicon.build([ADIDAS, NIKE, POLARIS, VUITTON], words) for words in ({}, {"polaris": [keyword]})
    )

    for title in titles:
        listing = Listing(listing_id="l", images=(), title=title)
        assert set(find_wording(listing, without)) <= set(find_wording(listing, with_it)), title
        assert find_wording(listing, without)


def test_keyword_of_two_brands_names_none() -> None:
    """What two brands call their line says nothing about which one is meant."""
    assert _named({"nike": ["Zoomwalk"], "adidas": ["Zoomwalk"]}, "Zoomwalk trainers") == set()


@pytest.mark.parametrize("word", ["Nike", "NIKE!", "n i k e", "Níke", "Nіkе", "Ｎｉｋｅ"])
def test_name_that_reads_like_another_is_taken(word: str) -> None:
    """A word is taken when a listing that has it would be read as naming the other brand."""
    assert taken_names({word, "Zephyr"}, [NIKE], strictly=False) == {word}


def test_longer_names_are_taken_only_strictly() -> None:
    """A name that holds another brand's is left to those who are trusted with all brands; ordinary words are not."""
    words = {"Nike Shoes", "Red Bull Racing"}
    others = [NIKE, Brand(brand_id="red", name="Red")]

    assert taken_names(words, others, strictly=False) == frozenset()
    assert taken_names(words, others, strictly=True) == {"Nike Shoes"}


def test_short_names_are_held_too() -> None:
    """A name of two or three letters is hidden by a longer one like any other, unless it is a word."""
    others = [Brand(brand_id="ugg", name="UGG"), Brand(brand_id="hp", name="HP"), Brand(brand_id="red", name="Red")]

    taken = taken_names({"UGG boots", "ink for hp", "Red boots", "U G G"}, others, strictly=True)

    assert taken == {"UGG boots", "ink for hp", "U G G"}


def test_others_keywords_are_taken_as_they_are() -> None:
    """A product line of another brand is taken however it is written; a longer name that holds it is not."""
    words = {"Zoom Walk", "ZOOMWALK!", "Zoomwalk Pro"}

    assert taken_names(words, [NIKE], strictly=True, keywords=["Zoomwalk"]) == {"Zoom Walk", "ZOOMWALK!"}
