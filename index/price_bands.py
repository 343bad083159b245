"""What do brand owners say their goods cost? Price bands, and how they weigh among the prices that were seen.

The store keeps them (`Store.set_price_bands`), `touchstone prices bands` imports them from a file, and
`index.price_fit` takes each as a prior on the location of its brand x category.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from index.errors import PriceDataError
from index.money import Money

# What the bands of one brand x category weigh in all, as prices evenly spread over them: as much as ten prices seen, so
# that they lead while there are few, and the market corrects them where it shows otherwise.
BAND_WEIGHT = 10


@dataclass(frozen=True, kw_only=True)
class PriceBand:
    """What a brand's goods of one category cost, one piece, new: from `low` to `high`, above 0, in one currency.

    `category_path` runs from the broadest to the narrowest, () for all of the brand's goods; `market` is an ISO 3166-1
    alpha-2 code, "" for every market.
    """

    category_path: tuple[str, ...] = ()
    market: str = ""
    low: Money
    high: Money

    def __post_init__(self) -> None:
        """Refuse what is no band."""
        if self.low.currency != self.high.currency:
            raise PriceDataError(f"A price band from {self.low} to {self.high} mixes currencies; state both in one.")
        if not 0 < self.low.amount <= self.high.amount:
            raise PriceDataError(f"A price band from {self.low} to {self.high} is none; state 0 < low <= high.")

    @property
    def category(self) -> str:
        """The category as a path in words, as price observations have it."""
        return " > ".join(self.category_path)


@dataclass(frozen=True)
class BrandPriceBand:
    """A band of the brand that is named so."""

    brand: str
    band: PriceBand


def band_prices(bands: Iterable[BrandPriceBand]) -> Iterator[tuple[BrandPriceBand, float]]:
    """Yield BAND_WEIGHT prices for each brand x category with bands, evenly spaced in the logarithm over each band.

    Bands of several markets share the weight: a model of all markets' prices lies between them.
    """
    cells: dict[tuple[str, str], list[BrandPriceBand]] = {}
    for entry in bands:
        cells.setdefault((entry.brand, entry.band.category), []).append(entry)
    for entries in cells.values():
        for place in range(BAND_WEIGHT):
            entry = entries[place % len(entries)]
            step, steps = place // len(entries), -(-(BAND_WEIGHT - place % len(entries)) // len(entries))
            low, high = (math.log(money.amount) for money in (entry.band.low, entry.band.high))
            yield entry, low + (high - low) * (step + 0.5) / steps
