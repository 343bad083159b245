"""Descriptions say what was measured, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vision.describe import describe
from vision.taxonomy import CategoryPath, load_taxonomy

T_SHIRTS = ("fashion", "clothing", "t-shirts")
BACKPACKS = ("fashion", "bags", "backpacks")


@dataclass(frozen=True)
class Measured:
    """What the pipeline hands over."""

    name: str
    value: str
    probability: float


@pytest.mark.parametrize(
    ("category", "attributes", "expected"),
    [
        (T_SHIRTS, [Measured("colour", "navy", 0.8)], "navy t-shirt"),
        (BACKPACKS, [Measured("material", "leather", 0.9), Measured("colour", "black", 0.7)], "black leather backpack"),
        (T_SHIRTS, [Measured("pattern", "striped", 0.9), Measured("colour", "red", 0.6)], "red striped t-shirt"),
        (T_SHIRTS, [Measured("colour", "navy", 0.45), Measured("colour", "white", 0.4)], "navy and white t-shirt"),
        (T_SHIRTS, [Measured("colour", "navy", 0.3), Measured("colour", "white", 0.3)], "t-shirt"),
        (T_SHIRTS, [Measured("colour", "navy", 0.6), Measured("material", "cotton", 0.4)], "navy t-shirt"),
        ((), [Measured("colour", "navy", 0.8)], "navy product"),
        ((), [], ""),
        (BACKPACKS, [Measured("hardware", "buckle", 0.9)], "backpack with a buckle"),
        (BACKPACKS, [Measured("hardware", "buckle", 0.4), Measured("colour", "black", 0.8)], "black backpack"),
        ((), [Measured("hardware", "buckle", 0.9)], "product with a buckle"),
        (T_SHIRTS, [Measured("smell", "sweet", 1.0)], "t-shirt"),
    ],
)
def test_description_says_only_what_is_sure(category: CategoryPath, attributes: list[Measured], expected: str) -> None:
    """Sure attributes stand before the category's noun in English order; the rest is left out."""
    described = describe(category, attributes, taxonomy=load_taxonomy())

    assert described == expected


def test_path_of_another_taxonomy_is_named_by_its_last_level() -> None:
    """A category that the taxonomy lacks still has a name."""
    assert describe(("garage", "spare-tyres"), [], taxonomy=load_taxonomy()) == "spare tyres"
    assert describe(("garage", "spare-tyres"), []) == "spare tyres"
