"""Which prices does a history file hold? Turns the rows of a listing manifest into price observations.

`prices import` reads them into the store, `training.evaluate_prices` straight into a model. A history row is a listing
row with a brand and a price above 0; other fields help and may be missing. What is wrong is said with file and line; a
caller that gives `on_error` gets the good rows all the same and can count the bad ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from index.errors import CatalogueError, PriceDataError
from index.manifest import ListingRow, read_listings
from index.market_records import PriceObservation
from index.money import Money
from index.offer_words import declared_units

OnError = Callable[[PriceDataError], None]


def read_history(path: Path, *, on_error: OnError | None = None) -> Iterator[PriceObservation]:
    """Yield the price observations of the listing manifest at `path`, in order.

    Raises:
        PriceDataError: the file cannot be read; or, without `on_error`, a row is bad. The message names file and line.

    """
    report = on_error or _raise
    try:
        for row in read_listings(path, on_error=lambda error: report(_as_price_error(error))):
            try:
                observation = observe(row)
            except PriceDataError as error:
                report(error)
            else:
                yield observation
    except CatalogueError as error:
        raise _as_price_error(error) from error


def observe(row: ListingRow) -> PriceObservation:
    """Return the price of one piece, as declared or as the title says. Raises PriceDataError without brand or price."""
    if not row.claimed_brand.strip():
        raise PriceDataError(
            f"{row.where}: claimed_brand: a price history needs the brand; give it or leave the row out."
        )
    if row.unit_price is None or row.unit_price.amount <= 0:
        raise PriceDataError(
            f'{row.where}: price: a history needs a price above 0, such as {{"amount": 49.90, "currency": "USD"}}.'
        )
    units = declared_units(row.title) if row.unit_count == 1 else 1
    return PriceObservation(
        brand=row.claimed_brand,
        category=row.category,
        condition=row.condition,
        unit_price=Money(row.unit_price.amount / units, row.unit_price.currency),
        observation_id=row.listing_id,
        observe_time=row.observe_time,
    )


def _as_price_error(error: CatalogueError) -> PriceDataError:
    return PriceDataError(str(error))


def _raise(error: PriceDataError) -> None:
    raise error
