"""What would the prices of a marketplace look like? Genuine goods, the nuisances of a real catalogue, and fakes.

`training.simulate_prices` fits the price model on a world's history and asks it about the world's cases; nothing of it
is shipped. Brands, categories and brand x category cells have effects on the log price, as on real prices; a listing is
plain, on sale, used (and silent about it), an accessory of the brand, a bundle, or priced in the wrong currency. A
history is contaminated: fakes and typing errors are among it. The same seed gives the same world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.price_query import PriceQuery

FloatArray = NDArray[np.float64]

_CURRENCY = "INR"
_MISTAKEN_FOR = ("USD", "EUR", "GBP", "CNY", "JPY")
# Measured on 11,341 real prices of 619 brands: standard deviations of log price between categories, brands and cells,
# and within a cell, where a t with 6 degrees of freedom has the tails of the real one.
_CATEGORY_SPREAD, _BRAND_SPREAD, _CELL_SPREAD, _WITHIN_SPREAD, _WITHIN_FREEDOM = 0.60, 0.60, 0.15, 0.33, 6
_USUAL_PRICE = 1_200.0


@dataclass(frozen=True, kw_only=True)
class NuisanceRates:
    """How often genuine listings are not simply offered at their price; shares of all genuine listings."""

    sale: float = 0.20
    used: float = 0.08
    accessory: float = 0.04
    currency: float = 0.01
    bundle: float = 0.03

    def times(self, factor: float) -> NuisanceRates:
        """Return all rates times `factor`."""
        return NuisanceRates(**{name: factor * getattr(self, name) for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """What a world is made of. Fakes ask `fake_low` to `fake_high` of the genuine price, uniformly in the logarithm."""

    brands: int = 300
    categories: int = 30
    rows_per_cell: int = 10
    cells: int = 900
    cases: int = 2_600
    contamination: float = 0.05
    nuisances: NuisanceRates = NuisanceRates()
    fake_low: float = 0.03
    fake_high: float = 0.35


@dataclass(frozen=True)
class World:
    """A history, and labelled cases: half of them fakes. Prices are in rupees."""

    history: tuple[PriceObservation, ...]
    cases: tuple[PriceQuery, ...]
    fake: NDArray[np.bool_]
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class _Cells:
    """Brand x category cells: their numbers, and the log prices of the cell and of the brand's accessories."""

    brands: NDArray[np.int64]
    categories: NDArray[np.int64]
    centres: FloatArray
    accessories: FloatArray
    weights: FloatArray


def make_world(seed: int, settings: WorldSettings) -> World:
    """Draw a world."""
    chance = np.random.default_rng(seed)
    cells = _draw_cells(chance, settings)
    expected = settings.cells * settings.rows_per_cell
    # At most `rows_per_cell` of each: small cells stay small, as in a real catalogue.
    counts = np.minimum(chance.poisson(expected * cells.weights), settings.rows_per_cell)
    rows = np.repeat(np.arange(settings.cells), counts)
    log_prices, _ = _genuine(chance, cells, rows, settings.nuisances)
    spoilt = chance.random(len(rows)) < settings.contamination
    log_prices = log_prices + np.where(spoilt, _discounts(chance, len(rows), settings), 0.0)
    asked = chance.choice(rows, settings.cases)
    prices, kinds = _genuine(chance, cells, asked, settings.nuisances)
    fake = chance.random(settings.cases) < 0.5
    plain, _ = _genuine(chance, cells, asked, NuisanceRates().times(0.0))
    prices = np.where(fake, plain + _discounts(chance, settings.cases, settings), prices)
    return World(
        history=tuple(_observation(*_names(cells, cell), price) for cell, price in zip(rows, log_prices, strict=True)),
        cases=tuple(_query(*_names(cells, cell), price) for cell, price in zip(asked, prices, strict=True)),
        fake=fake,
        kinds=tuple("fake" if is_fake else kind for is_fake, kind in zip(fake, kinds, strict=True)),
    )


def _draw_cells(chance: np.random.Generator, settings: WorldSettings) -> _Cells:
    brands = chance.integers(0, settings.brands, settings.cells)
    categories = chance.integers(0, settings.categories, settings.cells)
    brand_effects = chance.normal(0.0, _BRAND_SPREAD, settings.brands)
    category_effects = chance.normal(0.0, _CATEGORY_SPREAD, settings.categories)
    origin = math.log(_USUAL_PRICE)
    accessories = origin + brand_effects[brands] + chance.normal(0.0, _CATEGORY_SPREAD, settings.cells)
    centres = origin + brand_effects[brands] + category_effects[categories]
    centres += chance.normal(0.0, _CELL_SPREAD, settings.cells)
    weights = chance.lognormal(0.0, 1.0, settings.cells)
    return _Cells(brands, categories, centres, accessories, weights / weights.sum())


def _genuine(
    chance: np.random.Generator, cells: _Cells, rows: NDArray[np.int64], rates: NuisanceRates
) -> tuple[FloatArray, list[str]]:
    """Return log prices of genuine listings in the cells `rows`, and what kind each is."""
    count = len(rows)
    prices = cells.centres[rows] + _WITHIN_SPREAD * chance.standard_t(_WITHIN_FREEDOM, count)
    exchange = ExchangeRates.load()
    mistakes = np.array([math.log(exchange.factor(_CURRENCY, meant)) for meant in _MISTAKEN_FOR])
    changed = {
        "sale": prices + np.log(1.0 - chance.uniform(0.1, 0.6, count)),
        "used": prices + chance.normal(-0.7, 0.35, count),
        "accessory": cells.accessories[rows] + chance.normal(0.0, 0.6, count),
        "currency": prices + chance.choice(mistakes, count),
        "bundle": prices + np.log(chance.integers(2, 7, count)),
    }
    names = ("plain", *changed)
    shares = [getattr(rates, name) for name in changed]
    kinds = chance.choice(len(names), count, p=[1.0 - sum(shares), *shares])
    drawn = np.choose(kinds, [prices, *changed.values()])
    return drawn, [names[kind] for kind in kinds]


def _discounts(chance: np.random.Generator, count: int, settings: WorldSettings) -> FloatArray:
    return chance.uniform(math.log(settings.fake_low), math.log(settings.fake_high), count)


def _names(cells: _Cells, cell: np.int64) -> tuple[str, str]:
    category = int(cells.categories[cell])
    return f"Brand {cells.brands[cell]}", f"department {category % 4} > category {category}"


def _money(log_price: float) -> Money:
    return Money(Decimal(f"{max(math.exp(log_price), 0.01):.2f}"), _CURRENCY)


def _observation(brand: str, category: str, log_price: float) -> PriceObservation:
    return PriceObservation(brand=brand, category=category, condition="new", unit_price=_money(log_price))


def _query(brand: str, category: str, log_price: float) -> PriceQuery:
    return PriceQuery(brand=brand, category=category, condition="new", unit_price=_money(log_price))


def variants() -> dict[str, WorldSettings]:
    """Return the worlds that the model is reported on: the usual one, and those that it was not made for."""
    usual = WorldSettings()
    return {
        "usual": usual,
        "nuisances halved": replace(usual, nuisances=usual.nuisances.times(0.5)),
        "nuisances doubled": replace(usual, nuisances=usual.nuisances.times(2.0)),
        "fakes at 0.2-0.6 of genuine": replace(usual, fake_low=0.2, fake_high=0.6),
        "30 prices a cell": replace(usual, rows_per_cell=30),
        "3 prices a cell": replace(usual, rows_per_cell=3),
    }
