"""What do goods usually cost? Prices observed so far and brand owners' price bands, from which `index.pricing` learns.

Observations are numbered in the order of the commits: a replica that asks for what came after the last number it saw
misses none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, true

from index.brand_records import RegistryAction, RegistryEvent
from index.market_records import PriceObservation
from index.money import Money
from index.price_bands import BrandPriceBand, PriceBand
from index.store.brands import advance
from index.store.changes import head, take
from index.store.engine import BATCH, Database, in_batches, insert_new
from index.store.locks import lock_registry
from index.store.registry_events import note_change
from index.store.tables.market import price_observations
from index.store.tables.prices import price_bands
from index.store.tables.registry import brand_names

# The counters' rows are made by migration 0004.
_OBSERVATIONS = "price_observations"
_BANDS = "price_bands"


class PriceStore:
    """The part of the store that keeps price observations."""

    _database: Database

    def add_price_observations(self, records: Iterable[PriceObservation]) -> int:
        """Add observations, skip those whose `observation_id` is stored, and return how many are new.

        Each 5,000 go in one transaction, so that decisions are recorded in between; an import that broke off is
        simply run again.
        """
        added = 0
        for batch in in_batches(records):
            with self._database.write("add price observations") as connection:
                added += insert_observations(connection, batch)
        return added

    def price_head(self) -> int:
        """Return the number of the newest observation, 0 before the first: it grows when one is added."""
        with self._database.read("read the newest price observation's number") as connection:
            newest = connection.execute(select(func.max(price_observations.c.number))).scalar_one()
        return int(newest or 0)

    def iter_price_observations(self, *, after: int = 0, through: int | None = None) -> Iterator[PriceObservation]:
        """Yield the observations numbered above `after`, up to `through`, in the order in which they came.

        Each page is a short transaction of its own.
        """
        last = price_observations.c.number <= through if through is not None else true()
        while True:
            page = (
                select(price_observations)
                .where(price_observations.c.number > after, last)
                .order_by(price_observations.c.number)
                .limit(BATCH)
            )
            with self._database.read("read price observations") as connection:
                rows = connection.execute(page).all()
            yield from map(_observation, rows)
            if len(rows) < BATCH:
                return
            after = rows[-1].number

    def set_price_bands(
        self,
        brand_id: str,
        bands: Sequence[PriceBand],
        *,
        seen: int | None = None,
        actor: str = "",
        now: datetime | None = None,
    ) -> None:
        """Replace a brand's price bands; none is an empty sequence. Raises NotFound.

        With `seen`, the brand's revision as the caller read it, raises Conflict when the brand was changed since.
        """
        now = now or datetime.now(UTC)
        rows = [_band_row(brand_id, position, band) for position, band in enumerate(bands)]
        with self._database.write("set price bands") as connection:
            lock_registry(connection)
            advance(connection, brand_id, seen=seen, now=now)
            connection.execute(delete(price_bands).where(price_bands.c.brand_id == brand_id))
            if rows:
                connection.execute(price_bands.insert(), rows)
            note_change(
                connection,
                RegistryEvent(action=RegistryAction.PRICE_BANDS_SET, brand_id=brand_id, actor=actor, create_time=now),
            )
            take(connection, _BANDS)

    def price_bands(self, brand_id: str) -> tuple[PriceBand, ...]:
        """Return a brand's price bands in the order in which they were set; none for a brand that is not stored."""
        with self._database.read("read price bands") as connection:
            return bands_of(connection, brand_id)

    def all_price_bands(self) -> tuple[BrandPriceBand, ...]:
        """Return the price bands of all brands, with the brands' names."""
        query = (
            select(price_bands, brand_names.c.name)
            .join(brand_names, (brand_names.c.brand_id == price_bands.c.brand_id) & (brand_names.c.position == 0))
            .order_by(price_bands.c.brand_id, price_bands.c.position)
        )
        with self._database.read("read all price bands") as connection:
            return tuple(BrandPriceBand(row.name, _band(row)) for row in connection.execute(query))

    def price_band_version(self) -> int:
        """Return a number that grows each time that a brand's price bands are set."""
        with self._database.read("read the version of the price bands") as connection:
            return head(connection, _BANDS)


def insert_observations(connection: Connection, observations: Sequence[PriceObservation]) -> int:
    """Add the observations that are not stored yet, and return their number: late in a transaction, see `take`."""
    first = take(connection, _OBSERVATIONS, len(observations))
    rows = [_row(observation) | {"number": number} for number, observation in enumerate(observations, start=first)]
    return insert_new(connection, price_observations, rows)


def bands_of(connection: Connection, brand_id: str) -> tuple[PriceBand, ...]:
    """Return a brand's price bands in the order in which they were set."""
    query = select(price_bands).where(price_bands.c.brand_id == brand_id).order_by(price_bands.c.position)
    return tuple(_band(row) for row in connection.execute(query))


def _row(observation: PriceObservation) -> dict[str, Any]:
    return {
        "observation_id": observation.observation_id or None,
        "brand": observation.brand,
        "category": observation.category,
        "condition": observation.condition,
        "amount": str(observation.unit_price.amount),
        "currency": observation.unit_price.currency,
        "observe_time": observation.observe_time,
    }


def _observation(row: Row[Any]) -> PriceObservation:
    return PriceObservation(
        brand=row.brand,
        category=row.category,
        condition=row.condition,
        unit_price=Money(Decimal(row.amount), row.currency),
        observation_id=row.observation_id or "",
        observe_time=row.observe_time,
    )


def _band_row(brand_id: str, position: int, band: PriceBand) -> dict[str, Any]:
    return {
        "brand_id": brand_id,
        "position": position,
        "category_path": json.dumps(band.category_path, ensure_ascii=False),
        "market": band.market,
        "low": str(band.low.amount),
        "high": str(band.high.amount),
        "currency": band.low.currency,
    }


def _band(row: Row[Any]) -> PriceBand:
    return PriceBand(
        category_path=tuple(json.loads(row.category_path)),
        market=row.market,
        low=Money(Decimal(row.low), row.currency),
        high=Money(Decimal(row.high), row.currency),
    )
