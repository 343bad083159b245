"""How does the price model follow prices as they arrive? One by one, without a fit of everything, and reproducibly.

The model after n prices is the fit of the first a(n) of them, moved by each of the others in the order of their
numbers. a(n) depends on n alone, so that every replica has the same model at the same number, whether it followed the
prices as they came or has just read the store. `serving.knowledge` keeps a model so; docs/pricing.md says how close
it is to a fit of all n.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from index.market_records import PriceObservation
from index.money import ExchangeRates
from index.price_bands import BrandPriceBand
from index.pricing import PriceModel

# Binary digits that a(n) keeps of n: at most one price in 16 is not in the fit, up to 31 prices none.
_DIGITS = 5


def fitted_count(count: int) -> int:
    """Return of how many of the first `count` prices the model is a fit: `count` with its five leading digits kept."""
    rest = max(count.bit_length() - _DIGITS, 0)
    return count >> rest << rest


def read_all(
    observations: Sequence[PriceObservation],
    rates: ExchangeRates,
    *,
    base_currency: str,
    bands: Iterable[BrandPriceBand] = (),
) -> PriceModel:
    """Return the model of all observations, which come in the order of their numbers. Raises as `PriceModel.fit`."""
    first = fitted_count(len(observations))
    model = PriceModel.fit(observations[:first], rates, base_currency=base_currency, bands=bands)
    return model.updated(observations[first:])


def follow(model: PriceModel, arrived: Sequence[PriceObservation]) -> PriceModel | None:
    """Return the model moved by what arrived since; None when now everything must be read again and fitted anew."""
    stays = fitted_count(model.read + len(arrived)) == fitted_count(model.read)
    return model.updated(arrived) if stays else None
