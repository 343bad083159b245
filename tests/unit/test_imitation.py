"""What imitates a brand's name is found by the way it does so; other words, however near, are not."""

from __future__ import annotations

import itertools
import random
import statistics
import time

import pytest

from index.records import Brand
from serving.domain import Listing
from serving.findings import LookAlikeMethod, TextHit, TextKind
from serving.words.lexicon import BrandLexicon
from serving.words.wording import find_wording

BRANDS = {
    "Nike": (), "Gucci": (), "Louis Vuitton": ("LV",), "Dolce & Gabbana": (), "adidas": (), "Chanel": (), "Puma": (),
    "Tommy Hilfiger": (), "Michael Kors": (), "Birkenstock": (), "Samsung": (), "New Balance": (), "Coach": (),
    "The North Face": (), "Levi's": (), "Prada": (), "Apple": (), "Supreme": (), "HP": (), "Maserati": (), "Rolex": (),
}  # fmt: skip


@pytest.fixture(scope="module")
def lexicon() -> BrandLexicon:
    """Return a registry of brands that are imitated."""
    return BrandLexicon.build(Brand(brand_id=name, name=name, aliases=aliases) for name, aliases in BRANDS.items())


def _look_alikes(lexicon: BrandLexicon, title: str, claimed: str = "") -> list[TextHit]:
    listing = Listing(listing_id="1", images=(), title=title, claimed_brand=claimed)
    return [hit for hit in find_wording(listing, lexicon) if hit.kind is TextKind.LOOK_ALIKE]


@pytest.mark.parametrize(
    ("title", "matched", "brand", "method", "distance"),
    [
        ("Adibas running shoes", "Adibas", "adidas", "SPELLING", 1),
        ("new Guccy bag", "Guccy", "Gucci", "SPELLING", 1),
        ("#guccy", "guccy", "Gucci", "SPELLING", 1),
        ("Nikee Air", "Nikee", "Nike", "SPELLING", 1),
        ("nikkke", "nikkke", "Nike", "SPELLING", 2),
        ("Addidass hoodie", "Addidass", "adidas", "SPELLING", 2),
        ("Louis Vuiton bag", "Louis Vuiton", "Louis Vuitton", "SPELLING", 1),
        ("LouisVuiton bag", "LouisVuiton", "Louis Vuitton", "SPELLING", 1),
        ("Loius Vitton", "Loius Vitton", "Louis Vuitton", "SPELLING", 2),
        ("Dolce Gabana belt", "Dolce Gabana", "Dolce & Gabbana", "SPELLING", 1),
        ("Tommy Hilfigger", "Tommy Hilfigger", "Tommy Hilfiger", "SPELLING", 1),
        ("Birkinstok sandals", "Birkinstok", "Birkenstock", "SPELLING", 2),
        ("Mazeratti key", "Mazeratti", "Maserati", "SOUND", 2),
        ("Samsnug charger", "Samsnug", "Samsung", "SPELLING", 1),
        ("The Nort Face jacket", "The Nort Face", "The North Face", "SPELLING", 1),
        ("n1ke shoes", "n1ke", "Nike", "SIGNS", 0),
        ("R0LEX!!!", "R0LEX", "Rolex", "SIGNS", 0),
        ("L0uis Vu1tton", "L0uis Vu1tton", "Louis Vuitton", "SIGNS", 0),
        ("$upreme tee", "$upreme", "Supreme", "SIGNS", 0),
        ("App1e iPhone", "App1e", "Apple", "SIGNS", 0),
        ("g u c c i bag", "g u c c i", "Gucci", "SPACING", 0),
        ("G.U.C.C.I", "G.U.C.C.I", "Gucci", "SPACING", 0),
        ("gu🔥cci", "gu🔥cci", "Gucci", "SPACING", 0),
        ("g💥u💥c💥c💥i", "g💥u💥c💥c💥i", "Gucci", "SPACING", 0),
        ("ni*ke", "ni*ke", "Nike", "SPACING", 0),
        ("L.V bag", "L.V", "Louis Vuitton", "SPACING", 0),
        ("Nіke with a Cyrillic і", "Nіke", "Nike", "LETTERS", 0),
        ("shoes by ΝΙΚΕ", "ΝΙΚΕ", "Nike", "LETTERS", 0),
        ("Ni\u200bke with an invisible blank", "Ni\u200bke", "Nike", "LETTERS", 0),
        ("Vuitton Louis bag", "Vuitton Louis", "Louis Vuitton", "ORDER", 0),
    ],
)
def test_an_imitation_is_found_and_says_how(
    lexicon: BrandLexicon, title: str, matched: str, brand: str, method: str, distance: int
) -> None:
    """Each way to imitate a name is found once, with the seller's characters, the brand, the method and distance."""
    (hit,) = _look_alikes(lexicon, title)

    assert (hit.matched, hit.brand, hit.method, hit.distance) == (matched, brand, LookAlikeMethod(method), distance)
    assert title[hit.start : hit.end] == matched


@pytest.mark.parametrize(
    "title",
    ["Nike", "nikes", "Nike's best", "Niké", "Ｎｉｋｅ", "ΝΙΚΕ παπούτσια από την Ελλάδα", "nice shoes", "hike",
     "Pума", "Пума", "Channel bag", "Chanel", "football coach", "couch", "Levi jeans", "Levis", "Prado", "Prague",
     "gucci", "guccis", "new balanced diet", "the north place", "Sam Sung", "Samson", "Rolax", "relax",
     "Michael Korda", "apples", "applet", "S M L XL", "size 38/40, 100% wool", "WH-1000XM4", "H.P. Lovecraft",
     "L.V. Beethoven", "A4 paper 80g", "case for n1ke", "louis", "vuitton", "Prima donna", "panda",
     "Adidas Originals", "iPhone 15 256GB"],
)  # fmt: skip
def test_other_words_imitate_nothing(lexicon: BrandLexicon, title: str) -> None:
    """Names themselves, everyday words, surnames, plurals, models, sizes and what goods fit are no look-alikes."""
    assert _look_alikes(lexicon, title) == []


def test_another_brands_name_is_no_imitation() -> None:
    """A registry may hold names that are one letter apart; each is its own."""
    lexicon = BrandLexicon.build([Brand(brand_id="1", name="Zenithal"), Brand(brand_id="2", name="Zenithel")])

    assert _look_alikes(lexicon, "Zenithal and Zenithel") == []
    assert _look_alikes(lexicon, "Zenithol") == []  # as near to one as to the other


@pytest.mark.parametrize("claimed", ["Adibas", "ADIBAS", "ad1das", "a d i d a s", "adidаs"])
def test_a_claim_may_imitate_a_brand(lexicon: BrandLexicon, claimed: str) -> None:
    """The field for the brand is looked at as well, and the hit stands in it."""
    (hit,) = _look_alikes(lexicon, "shoes", claimed)

    assert (hit.field_name, hit.brand, hit.matched) == ("claimed_brand", "adidas", claimed)


def test_an_everyday_word_imitates_only_where_it_is_claimed(lexicon: BrandLexicon) -> None:
    """Nobody's brand is called Channel; of short names that cannot be said."""
    (hit,) = _look_alikes(lexicon, "Channel bag", "Channel")

    assert (hit.field_name, hit.brand) == ("claimed_brand", "Chanel")
    assert _look_alikes(lexicon, "bag", "Nice") == []
    assert _look_alikes(lexicon, "bag", "Some House") == []


def test_twenty_thousand_brands_cost_under_a_few_milliseconds() -> None:
    """A title costs about half a millisecond among 20,000 brands; the limit leaves room for a busy machine."""
    rng = random.Random(0)
    syllables = ["".join(one) for one in itertools.product("bcdfgklmnprstvz", "aeiou", ["", "n", "r", "s"])]
    names = {"".join(rng.choice(syllables) for _ in range(rng.choice((2, 3, 3, 4)))) for _ in range(24_000)}
    lexicon = BrandLexicon.build(Brand(brand_id=name, name=name.title()) for name in sorted(names)[:20_000])
    words = ["".join(rng.choices(syllables, k=3)) for _ in range(40)]
    titles = [f"Mens {word} black running shoes, size 42, new in box" for word in words]
    listings = [Listing(listing_id="1", images=(), title=title) for title in titles]

    times = []
    for listing in listings:
        start = time.perf_counter()
        find_wording(listing, lexicon)
        times.append(time.perf_counter() - start)

    assert statistics.median(times) < 0.005
