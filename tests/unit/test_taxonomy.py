"""The taxonomy file keeps its rules, and sellers' words find the leaf that they mean or none."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vision.errors import TaxonomyError
from vision.taxonomy import Taxonomy, load_taxonomy

SMALL = {
    "format_version": 1,
    "leaves": [
        {"path": "home > kitchen > cookware", "noun": "pan", "risk": "low", "en": ["frying pan"], "prompts": ["pan"]},
        {"path": "home > pantry > bread", "noun": "loaf", "risk": "low", "es": ["pan"]},
    ],
}


@pytest.fixture(scope="module")
def shipped() -> Taxonomy:
    """Return the shipped taxonomy."""
    return load_taxonomy()


def _write(folder: Path, document: object) -> Path:
    path = folder / "taxonomy.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def test_shipped_taxonomy_is_a_marketplace_of_about_150_leaves(shipped: Taxonomy) -> None:
    """It has the promised size and depth, and every leaf can be named in English and asked of a text-image model."""
    assert 140 <= len(shipped.leaves) <= 200
    assert all(2 <= len(leaf.path) <= 3 for leaf in shipped.leaves)
    assert all(leaf.synonyms["en"] and leaf.prompts for leaf in shipped.leaves)


def test_every_leaf_is_found_by_its_own_path_noun_and_unshared_words(shipped: Taxonomy) -> None:
    """A path as the API prints it comes back to its leaf; a word of one leaf never finds another."""
    for leaf in shipped.leaves:
        assert shipped.match(leaf.name) == leaf
        for word in (leaf.noun, *(word for words in leaf.synonyms.values() for word in words)):
            assert shipped.match(word) in (leaf, None), word


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("shoes > sports-shoes", "fashion > shoes > sneakers"),
        ("Sports Shoes", "fashion > shoes > sneakers"),
        ("Women's Handbags", "fashion > bags > handbags"),
        ("WOMEN’S HAND-BAGS", "fashion > bags > handbags"),
        ("tshirt", "fashion > clothing > t-shirts"),
        ("Tee Shirts", "fashion > clothing > t-shirts"),
        ("Men / Clothing / T-Shirts", "fashion > clothing > t-shirts"),
        ("Sneakers > Women", "fashion > shoes > sneakers"),
        ("Clothing, Shoes & Jewelry > Men > Watches > Wrist Watches", "fashion > watches-and-jewellery > watches"),
        ("Hats & Caps", "fashion > accessories > hats-and-caps"),
        ("leather handbag", "fashion > bags > handbags"),
        ("Watches > Straps", "fashion > watches-and-jewellery > watch-straps"),
        ("Phones > Cases", "electronics > phone-accessories > phone-cases"),
        ("Pets > Beds", "pet > pet-accessories"),
        ("Beds", "home > furniture > beds-and-mattresses"),
        ("Handtaschen für Damen", "fashion > bags > handbags"),
        ("Sac à main en cuir", "fashion > bags > handbags"),
        ("SAC A MAIN", "fashion > bags > handbags"),
        ("zapatillas de deporte mujer", "fashion > shoes > sneakers"),
        ("女士手提包", "fashion > bags > handbags"),
        ("服装 > 男士T恤", "fashion > clothing > t-shirts"),
        ("ｓｎｅａｋｅｒｓ", "fashion > shoes > sneakers"),
        ("Cookware > pan", "home > kitchen > cookware"),
    ],
)
def test_sellers_words_find_the_leaf_that_they_mean(shipped: Taxonomy, declared: str, expected: str) -> None:
    """Spelling, language, audience and level marks do not matter; the level above decides between meanings."""
    leaf = shipped.match(declared)

    assert leaf is not None
    assert leaf.name == expected


@pytest.mark.parametrize(
    "declared",
    ["", "   ", ">>>", "Shoes", "女鞋", "Women", "pan", "Hats, Scarves & Gloves", "Nike Air Max size 42",
     "Books > Watches", "Dolls > Dresses", "bags > bag", "asdf", "🙂", "> > sneakersaurus"],
)  # fmt: skip
def test_words_that_could_mean_more_than_one_leaf_mean_none(shipped: Taxonomy, declared: str) -> None:
    """Groups, unknown words, words of two meanings and contradicting levels are never guessed at."""
    assert shipped.match(declared) is None


def test_neighbours_are_related_and_others_are_not(shipped: Taxonomy) -> None:
    """Leaves of one parent are too near for a mismatch to mean anything."""
    sneakers, boots = ("fashion", "shoes", "sneakers"), ("fashion", "shoes", "boots")

    assert shipped.related(sneakers, sneakers)
    assert shipped.related(sneakers, boots)
    assert not shipped.related(sneakers, ("fashion", "bags", "handbags"))
    assert shipped.related(sneakers, ("another", "taxonomy"))


def test_unknown_path_is_refused_by_name(shipped: Taxonomy) -> None:
    """Asking for a leaf that is not there names it."""
    with pytest.raises(TaxonomyError, match="fashion > spoons"):
        shipped.leaf(("fashion", "spoons"))


def test_word_of_two_languages_matches_only_where_the_level_above_decides(tmp_path: Path) -> None:
    """A pot in English and bread in Spanish may share a word."""
    taxonomy = load_taxonomy(_write(tmp_path, SMALL | {"groups": {"home > kitchen": ["kitchen"]}}))

    assert taxonomy.match("pan") is None
    assert taxonomy.match("kitchen > pan") == taxonomy.leaves[0]


def _with_leaf(**changes: object) -> dict[str, object]:
    return SMALL | {"leaves": [*SMALL["leaves"], {"path": "a > b", "noun": "b", "risk": "low"} | changes]}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "the file: must be a mapping"),
        (SMALL | {"format_version": 2}, "format_version: is 2"),
        (SMALL | {"leaves": []}, "leaves: must be a list with at least one"),
        (SMALL | {"branches": []}, "unknown key 'branches'"),
        (_with_leaf(path="home > kitchen > cookware"), "home > kitchen > cookware: stands twice"),
        (_with_leaf(path="home > kitchen"), "home > kitchen: is a leaf and also a group"),
        (_with_leaf(path="a > b > a"), "a > b > a: is a cycle"),
        (_with_leaf(path="a > b > c > d"), "has 4 levels"),
        (_with_leaf(path="a"), "a: a leaf needs a level above"),
        (_with_leaf(path="A > B"), "level 'A' must be lower-case"),
        (_with_leaf(path=""), r"leaves\[2\]: has no path"),
        (_with_leaf(noun=""), "a > b: has no noun"),
        (_with_leaf(risk="huge"), "risk is 'huge'; allowed are high, medium, low"),
        (_with_leaf(en=[]), "a > b en: must be a list with at least one"),
        (_with_leaf(en=["-"]), "'-' is not a word"),
        (_with_leaf(en=[True]), "True is not a word"),
        (_with_leaf(en=["frying pans"]), "en word 'frying pans' belongs to home > kitchen > cookware"),
        (_with_leaf(it=["b"]), "unknown key 'it'"),
        (SMALL | {"groups": {"toys": ["toys"]}}, "groups toys: no leaf stands under it"),
        (SMALL | {"modifiers": {"en": []}}, "modifiers en: must be a list"),
    ],
)
def test_file_that_breaks_a_rule_is_refused_with_file_and_entry(
    tmp_path: Path, document: object, complaint: str
) -> None:
    """Each rule in the head of the file is enforced, and the message says where to look."""
    path = _write(tmp_path, document)

    with pytest.raises(TaxonomyError, match=complaint) as refusal:
        load_taxonomy(path)

    assert str(path) in str(refusal.value)


@pytest.mark.parametrize("content", [b"leaves: [", b"\xff\xfe\x00", None])
def test_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    """Broken YAML, bytes that are no UTF-8 and a missing file are named."""
    path = tmp_path / "broken.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TaxonomyError, match=r"broken\.yaml: cannot be read"):
        load_taxonomy(path)
