"""What do goods usually cost? The prices observed so far, from which `index.pricing` fits its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select

from index.money import Money
from index.records import PriceObservation
from index.store.engine import BATCH, Database, in_batches, insert_new
from index.store.tables.market import price_observations


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
            rows = [_row(observation) for observation in batch]
            with self._database.write("add price observations") as connection:
                added += insert_new(connection, price_observations, rows)
        return added

    def price_head(self) -> int:
        """Return the number of the newest observation, 0 before the first: it grows when one is added."""
        with self._database.read("read the newest price observation's number") as connection:
            newest = connection.execute(select(func.max(price_observations.c.number))).scalar_one()
        return int(newest or 0)

    def iter_price_observations(self) -> Iterator[PriceObservation]:
        """Yield all observations in the order in which they came; each page is a short transaction of its own."""
        after = 0
        while True:
            page = (
                select(price_observations)
                .where(price_observations.c.number > after)
                .order_by(price_observations.c.number)
                .limit(BATCH)
            )
            with self._database.read("read price observations") as connection:
                rows = connection.execute(page).all()
            yield from map(_observation, rows)
            if len(rows) < BATCH:
                return
            after = rows[-1].number


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
