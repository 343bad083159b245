"""The seed catalogue: what is in it, and what an own brands file is refused for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from index.names import normalise_name
from reference_brands.errors import SeedError
from reference_brands.seed import BRANDS_FILE, RENDER_EDGE, mark_svg, seed_brands, seed_marks, seed_source

GOOD = """
format_version: 1
sectors:
  shoes: {tier: premium, categories: [sneakers]}
brands:
  - {id: nike, name: Nike, aliases: [耐克], sector: shoes, logos: [nike]}
  - {id: fila, name: Fila, sector: shoes, tier: mainstream, categories: [socks], wordmarks: [fila]}
"""


def write(folder: Path, text: str) -> Path:
    """Write a brands file."""
    path = folder / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_brands_are_a_few_hundred_with_the_expected_among_them() -> None:
    """Brands that counterfeiters copy are there under their usual names; marks all exist."""
    brands = {brand.name: brand for brand in seed_brands()}

    assert len(brands) > 300
    assert {"Nike", "Adidas", "Apple", "Coca-Cola", "McDonald's", "FedEx", "Red Bull", "Ferrari"} <= brands.keys()
    assert "耐克" in brands["Nike"].aliases


def test_no_two_brands_share_a_name_as_the_registry_compares_names() -> None:
    """A title that names one brand must not name another."""
    owners: dict[str, str] = {}

    for brand in seed_brands():
        for name in brand.names:
            assert owners.setdefault(normalise_name(name), brand.brand_id) == brand.brand_id


def test_a_mark_comes_with_brand_kind_svg_and_renderings() -> None:
    """Each rendering is a square RGB picture, and no two are the same."""
    (mark,) = seed_marks(["starbucks"])

    assert (mark.brand.name, mark.mark_id, mark.kind, mark.colour) == ("Starbucks", "starbucks", "logo", (0, 98, 65))
    assert mark.svg.startswith("<svg") or "<svg" in mark.svg
    assert [picture.shape for picture in mark.renderings] == [(RENDER_EDGE, RENDER_EDGE, 3)] * 6
    assert all(picture.dtype == np.uint8 for picture in mark.renderings)
    assert len({picture.tobytes() for picture in mark.renderings}) == 6


def test_a_black_brand_does_not_repeat_its_plain_renderings() -> None:
    """Black ink on white paper is the brand's colour already: two upright, two turned."""
    (mark,) = seed_marks(["nike"])

    assert len(mark.renderings) == 4


def test_a_pale_brand_colour_is_shown_on_black() -> None:
    """Yellow on white would be a blank reference that matches every plain wall."""
    (mark,) = seed_marks(["McDonald's"])

    assert mark.renderings[2][0, 0].tolist() == [17, 17, 17]


def test_each_earlier_drawing_belongs_to_one_brand() -> None:
    """No file lies there unused, and a file of one's own that names another one is refused."""
    named = [mark for brand in seed_brands() for mark in brand.earlier_marks]

    assert sorted(named) == sorted(file.stem for file in BRANDS_FILE.with_name("earlier_marks").glob("*.svg"))


def test_brands_are_chosen_by_id_name_or_alias_in_any_case() -> None:
    """However a person writes it, the brand is found; all its marks come."""
    marks = list(seed_marks(["NIKE", "阿迪达斯", "coca cola", "uniqlo"]))

    assert [mark.mark_id for mark in marks] == ["nike", "adidas", "adidas-11.15.0", "uniqlo", "uniqlo_ja", "cocacola"]


def test_marks_that_a_brand_had_before_follow_those_of_today() -> None:
    """Each has its own drawing, in the brand's colour, and says which release it came from; they can be left out."""
    brands = [brand for brand in seed_brands() if brand.earlier_marks]
    marks = list(seed_marks([brand.brand_id for brand in brands]))
    today = list(seed_marks([brand.brand_id for brand in brands], earlier=False))

    assert len(brands) > 30
    assert len({mark.svg for mark in marks}) == len(marks) > len(today)
    assert [mark.svg for mark in marks if mark.mark_id in mark.brand.marks] == [mark.svg for mark in today]
    (nokia, before) = seed_marks(["nokia"])
    assert (nokia.colour, nokia.kind) == (before.colour, before.kind)
    assert (before.name, before.source) == ("Nokia, earlier", "Simple Icons 8.0.0")
    assert nokia.source == seed_source()


def test_an_unknown_brand_is_refused_at_once_with_near_names() -> None:
    """The error comes from the call, not from the middle of the walk."""
    with pytest.raises(SeedError, match=r"adibas.*adidas"):
        seed_marks(["adibas"])


def test_everything_adds_unclaimed_marks_and_keeps_curated_ids() -> None:
    """A mark without a curated brand becomes one; curated ones stay as they are; an id taken already is told apart."""
    marks = list(seed_marks(["nike", "python", "mark-beats"], everything=True))

    assert [(mark.brand.brand_id, mark.brand.sector) for mark in marks] == [
        ("nike", "sportswear"),
        ("mark-beats", ""),
        ("python", ""),
    ]


def test_the_source_names_the_version() -> None:
    """Provenance of a reference says which release it came from."""
    assert seed_source().startswith("simplepycons 1!")


def test_the_svg_of_a_mark_by_name() -> None:
    """A known mark gives its document, an unknown one an error of ours."""
    assert "<path" in mark_svg("nike")
    with pytest.raises(SeedError, match="no mark 'nyke'"):
        mark_svg("nyke")


def test_an_own_file_takes_tier_and_categories_from_the_sector(tmp_path: Path) -> None:
    """What an entry leaves out, its sector says."""
    nike, fila = seed_brands(write(tmp_path, GOOD))

    assert (nike.tier, nike.categories) == ("premium", ("sneakers",))
    assert (fila.tier, fila.categories) == ("mainstream", ("socks",))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("format_version: 1", "format_version: 2", "format_version is 2; expected 1"),
        ("brands:", "brunds:", "'brands' must be a list"),
        ("tier: premium", "tier: posh", "sector 'shoes': tier is 'posh'; allowed are"),
        ("id: nike", "id: Nike!", "brand 'Nike!': id is 'Nike!'"),
        ("name: Nike", "name: 7", "brand 'nike': name is 7"),
        ("name: Nike, ", "", "brand 'nike': lacks 'name'"),
        ("sector: shoes, logos", "sector: shoos, logos", "brand 'nike': sector is 'shoos'; allowed are 'shoes'"),
        ("logos: [nike]", "logo: [nike]", "brand 'nike': has unknown 'logo'; allowed are"),
        ("logos: [nike]", "logos: [nyke]", "brand 'nike': simplepycons has no mark 'nyke'"),
        ("logos: [nike]", "logos: [nike], earlier_logos: [nyke-1]", "brand 'nike': there is no earlier mark 'nyke-1'"),
        (", logos: [nike]", "", "brand 'nike': has no mark"),
        ("aliases: [耐克]", "aliases: 耐克", "brand 'nike': aliases is '耐克'; expected a list"),
        ("aliases: [耐克]", "aliases: [耐克, 耐克]", "says something twice"),
        ("id: fila", "id: nike", "id 'nike' already belongs to brand 'nike'"),
        ("name: Fila", "name: NIKE", "name or alias 'nike' already belongs"),
        ("wordmarks: [fila]", "wordmarks: [nike]", "mark 'nike' already belongs to brand 'nike'"),
        ("brands:", "brands: [", "cannot be read as a brands file"),
        ("  - {id: nike", "  - just words\n  - {id: nike", "brand number 1: expected keys"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_by_file_and_entry(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """The message leads to the place and says what is allowed."""
    path = write(tmp_path, GOOD.replace(old, new, 1))

    with pytest.raises(SeedError) as caught:
        seed_brands(path)

    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    """An operator's typing error is an error of ours, not a stack trace."""
    with pytest.raises(SeedError, match=r"absent\.yaml"):
        seed_brands(tmp_path / "absent.yaml")
