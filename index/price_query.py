"""What is asked of the price model, and what does it answer? What goes into `index.pricing` and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from index.errors import PriceDataError
from index.money import Money
from index.offer_words import DeclaredSale


@dataclass(frozen=True, kw_only=True)
class PriceQuery:
    """What is offered, per piece: divide a lot's price by its unit count first. All words are the seller's.

    `category` is a path such as "shoes > sports-shoes", in the vocabulary of the price history; `sale` is a sale that
    the seller declares, None when none is.
    """

    brand: str
    category: str
    condition: str
    unit_price: Money
    sale: DeclaredSale | None = None

    def __post_init__(self) -> None:
        """Refuse negative prices."""
        if self.unit_price.amount < 0:
            raise PriceDataError(f"The unit price {self.unit_price} is negative; state a price of 0 or more.")


class LevelCount(NamedTuple):
    """How much is known on one level ("brand x category"): prices on record, and what price bands weigh, in prices."""

    name: str
    observations: int
    band_weight: int = 0

    @property
    def weight(self) -> int:
        """What the level rests on, in prices."""
        return self.observations + self.band_weight
