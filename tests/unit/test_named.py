"""Which brand does a line read off a photo name? Spellings that count, and words that must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.named import Named, NameTable
from index.records import Brand
from reference_brands.seed import seed_brands

COCA_COLA = Brand(brand_id="coca-cola", name="Coca-Cola", aliases=("Coke",))
CITROEN = Brand(brand_id="citroen", name="Citroën")
ADIDAS = Brand(brand_id="adidas", name="adidas")
FORD = Brand(brand_id="ford", name="Ford")
NIKE = Brand(brand_id="nike", name="Nike", aliases=("耐克",))
BMW = Brand(brand_id="bmw", name="BMW")
HP = Brand(brand_id="hp", name="HP")
BRANDS = (COCA_COLA, CITROEN, ADIDAS, FORD, NIKE, BMW, HP)
TABLE = NameTable(BRANDS)


@pytest.mark.parametrize(
    ("line", "brand"),
    [
        ("Coca-Cola", COCA_COLA),
        ("COCA COLA®", COCA_COLA),
        ("cocacola", COCA_COLA),
        ("Coke", COCA_COLA),
        ("CITROËN", CITROEN),
        ("Citroen", CITROEN),
        ("耐克", NIKE),
        ("B.M.W.", BMW),
        ("adidas originals", ADIDAS),
        ("enjoy Coca Cola", COCA_COLA),
        ("BMW.com", BMW),
    ],
)
def test_a_name_is_found(line: str, brand: Brand) -> None:
    """Accents, signs and blanks make no difference, and a word beside the name does no harm."""
    assert TABLE.find(line) == Named(brand=brand, exact=True)


@pytest.mark.parametrize("line", ["Cocacole", "ocacola", "Coca-Colaa", "ADlDAS", "dadidas", "adida"])
def test_one_letter_off_is_near(line: str) -> None:
    """A letter that is wrong, missing or too many still names a longer name, though less surely."""
    found = TABLE.find(line)

    assert found is not None
    assert found.brand in (COCA_COLA, ADIDAS)
    assert (found.exact, found.distinct) == (False, True)


@pytest.mark.parametrize(
    "line",
    [
        "",
        " ®",
        "HP",  # two letters are read into any ornament
        "Food",  # a short name is met as it is, or not
        "BNW",
        "adids originals",  # near names fill the line
        "Cacacole",  # two letters wrong
        "adidda s x",
        "visit www.adidas-fans.example.org today",  # mostly something else
        "affordable",
    ],
)
def test_other_words_name_nothing(line: str) -> None:
    """Short names, parts of words and names in passing are not taken for brands."""
    assert TABLE.find(line) is None


def test_a_line_equally_near_to_two_brands_names_neither() -> None:
    """What may be either is no evidence for one, while each name itself still is."""
    table = NameTable([Brand(brand_id="one", name="Stella"), Brand(brand_id="two", name="Sterla")])

    assert table.find("Stetla") is None
    assert table.find("Stlla") is not None
    exact = table.find("Stella")
    assert exact is not None
    assert exact.brand.brand_id == "one"


def test_nearly_the_whole_line_goes_before_a_part_of_it() -> None:
    """A longer name with a letter missing explains a line better than a shorter one within it."""
    red = Brand(brand_id="red", name="Red")
    red_bull = Brand(brand_id="red-bull", name="Red Bull")
    table = NameTable([red, red_bull])

    assert table.find("RED BUL") == Named(brand=red_bull, exact=False)
    assert table.find("RED ink") == Named(brand=red, exact=True)


def test_a_name_goes_before_another_brands_alias() -> None:
    """A spelling that two brands share belongs to the one of that name."""
    cola = Brand(brand_id="cola", name="Fizz", aliases=("Delta",))
    delta = Brand(brand_id="delta", name="Delta")

    found = NameTable([cola, delta]).find("DELTA")

    assert found is not None
    assert found.brand == delta


@pytest.mark.parametrize(
    ("line", "exact"), [("EXPRESS", False), ("American Express", True), ("Expresso", None), ("Express delivery", None)]
)
def test_an_everyday_word_is_hardly_a_name(line: str, exact: bool | None) -> None:
    """A brand that is called like an everyday word is named, and not surely, only where the line is that word."""
    express = Brand(brand_id="express", name="Express", aliases=("American Express",))

    found = NameTable([express], everyday=["express"]).find(line)

    assert found == (None if exact is None else Named(brand=express, exact=exact, distinct=exact))
    assert NameTable([express]).find("EXPRESS") == Named(brand=express, exact=True)


@pytest.mark.parametrize(
    ("line", "held"),
    [("ike", True), ("NIK", True), ("ik", False), ("nie", False), ("dida", False), ("Nikes", False), ("ADIDA", False)],
)
def test_a_piece_of_a_name_is_most_of_it_in_one_run(line: str, held: bool) -> None:
    """A mark whose end is covered leaves a run of letters; few letters, or those of another brand, are no piece."""
    assert TABLE.holds(line, "nike") is held


def test_an_everyday_word_is_no_piece_of_a_name() -> None:
    """What "bull" on a sign says is no brand's cut name."""
    table = NameTable([Brand(brand_id="rebull", name="Rebull")], everyday=["bull"])

    assert not table.holds("bull", "rebull")
    assert table.holds("ebul", "rebull")
    assert not table.holds("ebul", "unknown")


@given(st.text(max_size=30))
def test_any_text_can_be_looked_up(line: str) -> None:
    """Whatever a reader makes of an ornament, looking it up answers, and answers with a known brand."""
    found = TABLE.find(line)

    assert found is None or found.brand in BRANDS


def test_every_seed_brand_is_found_by_its_own_name() -> None:
    """In the shipped catalogue each long enough name leads to a brand that goes by it."""
    brands = [Brand(brand_id=one.brand_id, name=one.name, aliases=one.aliases) for one in seed_brands()]
    table = NameTable(brands)

    for brand in brands:
        letters = [sign for sign in brand.name if sign.isalnum()]
        if len(letters) >= 3:
            found = table.find(brand.name)
            assert found is not None
            assert found.exact
            assert found.brand == brand
