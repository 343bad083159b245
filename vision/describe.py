"""How is a product called in a few words ("navy t-shirt", "black leather backpack")? Composes what was measured.

Last of the stages that look at photos: the noun comes from the predicted category, the words before it from measured or
classified attributes. An attribute that is not sure is left out; nothing is ever filled in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vision.errors import TaxonomyError
from vision.taxonomy import CategoryPath, Taxonomy

# In the order in which English puts them: "navy striped cotton t-shirt".
_ORDER = ("colour", "pattern", "material")
_WITH = "hardware"  # stands behind the noun: "brown leather belt with a buckle"

# An attribute is said from this probability on. For colours the probability is the share of the product's surface: one
# colour that covers half of it names it, or two that cover a quarter each and most of it together.
_SURE = 0.5
_HALF_OF_TWO = 0.25
_MOST_OF_IT = 0.7


class MeasuredAttribute(Protocol):
    """A property of the product: name ("colour"), value ("navy") and how sure it is, 0..1."""

    @property
    def name(self) -> str:
        """Which property."""

    @property
    def value(self) -> str:
        """Its value, in words that may stand before a noun."""

    @property
    def probability(self) -> float:
        """How sure it is, 0..1; of a colour, its share of the product."""


def describe(
    category: CategoryPath, attributes: Sequence[MeasuredAttribute], *, taxonomy: Taxonomy | None = None
) -> str:
    """Describe a product of `category` (an empty path when unknown) by its sure attributes; "" when nothing is known.

    The noun is the category's own in `taxonomy`; without one, or for a path that it does not have, the last level of
    the path stands in.
    """
    words = [phrase for name in _ORDER if (phrase := _phrase([item for item in attributes if item.name == name]))]
    noun = _noun(category, taxonomy)
    hardware = _phrase([item for item in attributes if item.name == _WITH])
    if not noun and not words and not hardware:
        return ""
    return " ".join([*words, noun or "product", *([f"with a {hardware}"] if hardware else [])])


def _phrase(items: Sequence[MeasuredAttribute]) -> str:
    """Name the surest value, or the first two together where neither alone is the whole story."""
    surest = sorted(items, key=lambda item: -item.probability)[:2]
    if not surest:
        return ""
    if surest[0].probability >= _SURE:
        return surest[0].value
    halves = len(surest) == 2 and surest[1].probability >= _HALF_OF_TWO
    if surest[0].name == "colour" and halves and sum(item.probability for item in surest) >= _MOST_OF_IT:
        return f"{surest[0].value} and {surest[1].value}"
    return ""


def _noun(category: CategoryPath, taxonomy: Taxonomy | None) -> str:
    if not category:
        return ""
    if taxonomy is not None:
        try:
            return taxonomy.leaf(category).noun
        except TaxonomyError:
            pass  # the head was made for another taxonomy: its path still says what the product is
    return category[-1].replace("-", " ")
