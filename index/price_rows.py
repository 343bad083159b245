"""How do observed prices come into the price model? In one currency, by their groups, with the mistakes to reckon with.

`index.pricing` hands observations and price bands over; `index.price_fit` fits the rows that come out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from index.condition import Condition, condition_words
from index.market_records import PriceObservation
from index.money import ExchangeRates
from index.names import normalise_name
from index.price_bands import BrandPriceBand, band_prices

FloatArray = NDArray[np.float64]

# From the general to the particular; the department is the first part of the category's path.
LEVELS = ("department", "category", "brand", "brand x department", "brand x category")
# Currencies in which an amount may have been meant that stands there in the listing's own.
MISTAKEN_FOR = ("USD", "EUR", "GBP", "CNY", "JPY", "INR")
# Logarithms of money are kept within this, 2e-22 to 5e21: nothing, and amounts beyond floats, stay comparable.
_LOG_LIMIT = 50.0


@dataclass(frozen=True)
class PriceRow:
    """One price: its group on each of LEVELS, the condition, the log price in the base currency, and its own currency.

    `observed` is False for a price that stands for a band.
    """

    keys: tuple[str, ...]
    condition: Condition
    log_price: float
    currency: str
    observed: bool = True


@dataclass(frozen=True)
class CurrencyTable:
    """Exchange rates as logarithms, by which prices of all currencies are compared in `base`."""

    rates: ExchangeRates
    base: str

    @functools.cached_property
    def to_base(self) -> dict[str, float]:
        """The logarithm of what one unit of each currency is worth in the base. Raises PriceDataError."""
        codes = (*self.rates.units_per_base, self.base)
        return {code: math.log(self.rates.factor(code, self.base)) for code in codes}

    @functools.cached_property
    def shifts(self) -> dict[str, tuple[float, ...]]:
        """By which factor an amount in each currency is off that was meant in each of MISTAKEN_FOR, as a logarithm.

        nan for the currency itself, and for those without a rate.
        """
        known = self.to_base
        return {
            code: tuple(
                known[code] - known[meant] if meant in known and meant != code else math.nan for meant in MISTAKEN_FOR
            )
            for code in known
        }


def read_rows(observations: Iterable[PriceObservation], currencies: CurrencyTable) -> tuple[list[PriceRow], int]:
    """Return the rows of the prices above 0 whose currency has a rate, and the number of the others."""
    rows, ignored, to_base = [], 0, currencies.to_base
    for one in observations:
        money = one.unit_price
        if money.amount > 0 and money.currency in to_base:
            log_price = log_amount(money.amount) + to_base[money.currency]
            rows.append(
                PriceRow(level_keys(one.brand, one.category), condition_of(one.condition), log_price, money.currency)
            )
        else:
            ignored += 1
    return rows, ignored


def band_rows(bands: Iterable[BrandPriceBand], currencies: CurrencyTable) -> list[PriceRow]:
    """Return the prices that stand for the bands; a band in a currency without a rate says nothing."""
    rows = []
    for entry, log_price in band_prices(bands):
        currency = entry.band.low.currency
        if currency in currencies.to_base:
            keys = level_keys(entry.brand, entry.band.category)
            in_base = log_price + currencies.to_base[currency]
            rows.append(PriceRow(keys, Condition.NEW, in_base, currency, observed=False))
    return rows


def log_amount(amount: Decimal) -> float:
    """Return the natural logarithm, within limits, of an amount of 0 or more."""
    as_float = float(amount)
    return max(-_LOG_LIMIT, min(math.log(as_float), _LOG_LIMIT)) if as_float > 0.0 else -_LOG_LIMIT


@functools.lru_cache(maxsize=1 << 17)
def level_keys(brand: str, category: str) -> tuple[str, ...]:
    """Return the group of each of LEVELS that a brand and a category path ("shoes > sports-shoes") fall into.

    A key is "" when brand or category, and with it the group, is unknown.
    """
    brand = normalise_name(brand)
    path = [name for part in category.split(">") if (name := normalise_name(part))]
    department, leaf = "".join(path[:1]), " > ".join(path)
    return (
        department,
        leaf,
        brand,
        f"{brand}\n{department}" if brand and department else "",
        f"{brand}\n{leaf}" if brand and leaf else "",
    )


@functools.lru_cache(maxsize=4096)
def condition_of(words: str) -> Condition:
    """Return the condition that the seller's words state."""
    return condition_words().read(words)


@functools.cache
def usual_effect(condition: Condition) -> float:
    """Return what a condition usually adds to the log price, before any data: 0 for new, ln 0.5 for used."""
    return math.log(condition_words().shares[condition])
