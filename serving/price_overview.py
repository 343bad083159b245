"""What do a brand's goods cost, by category? The figures of `touchstone prices show`.

Everything is made from the store when it is asked for: quantiles by sketches in one pass over the brand's prices, the
expected price by the model that screening uses.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from index.errors import PriceDataError
from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.names import normalise_name
from index.price_bands import PriceBand
from index.price_live import read_all
from index.price_query import PriceQuery
from index.price_sketch import PriceQuantiles, price_quantiles
from index.price_windows import Window, windows
from index.pricing import PriceModel
from index.store.store import Store
from serving.price_watch import BrandDrift, alarms, price_series, score_series


@dataclass(frozen=True)
class CellPrices:
    """A category of the brand's goods: `expected` for new ones and the quantiles, in the base currency, per piece."""

    category: str
    expected: float | None
    quantiles: PriceQuantiles
    bands: tuple[PriceBand, ...]


@dataclass(frozen=True)
class BrandPrices:
    """All categories, the windows over its dated prices, how many are `undated`, and the alarms, latest last."""

    brand: str
    currency: str
    cells: tuple[CellPrices, ...]
    windows: tuple[Window, ...]
    undated: int
    drifts: tuple[BrandDrift, ...]


def price_model(store: Store, rates: ExchangeRates, *, base_currency: str) -> PriceModel:
    """Return the model that screening uses at this moment."""
    observations = list(store.iter_price_observations())
    return read_all(observations, rates, base_currency=base_currency, bands=store.all_price_bands())


def brand_overview(
    store: Store, brand: str, rates: ExchangeRates, *, base_currency: str, category: str = "", now: datetime
) -> BrandPrices:
    """Look at one brand, or at one `category` of it.

    Raises:
        PriceDataError: there is no price and no price band of it on record.

    """
    model = price_model(store, rates, base_currency=base_currency)
    key, wanted = normalise_name(brand), _path(category)
    own = [
        one
        for one in store.iter_price_observations()
        if normalise_name(one.brand) == key and wanted in {(), _path(one.category)}
    ]
    bands = [entry.band for entry in store.all_price_bands() if normalise_name(entry.brand) == key]
    bands = [band for band in bands if wanted in {(), _path(band.category)}]
    if not own and not bands:
        of = f"{brand} in {category}" if category else brand
        raise PriceDataError(f"No price and no price band of {of} is on record; `touchstone prices import` adds some.")
    prices = price_series(own, model).get(key, [])
    scores = score_series(store).get(key, [])
    return BrandPrices(
        brand=brand,
        currency=base_currency,
        cells=tuple(_cells(brand, own, bands, model)),
        windows=windows(prices, now=now),
        undated=sum(one.observe_time is None for one in own),
        drifts=(*alarms(brand, prices, "prices"), *alarms(brand, scores, "scores")),
    )


def _cells(brand: str, own: list[PriceObservation], bands: list[PriceBand], model: PriceModel) -> list[CellPrices]:
    prices: dict[tuple[str, ...], list[float]] = defaultdict(list)
    names: dict[tuple[str, ...], str] = {}
    for one in own:
        path = _path(one.category)
        names.setdefault(path, one.category)
        if one.unit_price.currency in model.rates.units_per_base:
            prices[path].append(float(model.rates.convert(one.unit_price, model.base_currency).amount))
    for band in bands:
        names.setdefault(_path(band.category), band.category)
    cells = []
    for path, name in sorted(names.items()):
        one_unit = Money(Decimal(1), model.base_currency)
        assessed = model.score(PriceQuery(brand=brand, category=name, condition="new", unit_price=one_unit))
        of_cell = tuple(band for band in bands if _path(band.category) == path)
        expected = float(assessed.expected.amount) if assessed else None
        cells.append(CellPrices(name, expected, price_quantiles(prices[path]), of_cell))
    return cells


def _path(category: str) -> tuple[str, ...]:
    return tuple(name for part in category.split(">") if (name := normalise_name(part)))
