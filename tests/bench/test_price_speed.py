"""How fast is the price model? Processor time to read (`pytest -s`), free of neighbours; a gross slip fails."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pytest

from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.price_query import PriceQuery
from index.pricing import PriceModel

# A tenth of what docs/pricing.md states: TOUCHSTONE_BENCH_PRICES=1000000 measures that.
PRICES = int(os.environ.get("TOUCHSTONE_BENCH_PRICES", "100000"))
QUERIES = 20_000


def observations(count: int) -> Iterator[PriceObservation]:
    """Yield prices of 2,000 brands in 60 categories."""
    chance = np.random.default_rng(0)
    brands, categories = chance.integers(0, 2_000, count), chance.integers(0, 60, count)
    levels = chance.normal(4.0, 0.6, 2_000)[brands] + chance.normal(0.0, 0.5, 60)[categories]
    amounts = np.exp(levels + 0.4 * chance.standard_t(6, count))
    for brand, category, amount in zip(brands.tolist(), categories.tolist(), amounts.tolist(), strict=True):
        yield PriceObservation(
            brand=f"Brand {brand}",
            category=f"department {category % 6} > category {category}",
            condition="new",
            unit_price=Money(Decimal(f"{amount:.2f}"), "EUR"),
        )


@pytest.mark.slow
def test_fit_and_batch_speed() -> None:
    """A fit takes under 60 us a price (60 s a million), a batch under 50 us a price; three times that may pass."""
    history, rates = list(observations(PRICES)), ExchangeRates.load()
    queries = [
        PriceQuery(brand=one.brand, category=one.category, condition=one.condition, unit_price=one.unit_price)
        for one in history[:QUERIES]
    ]

    start = time.process_time()
    model = PriceModel.fit(history, rates)
    fitted = time.process_time()
    assessed = model.score_batch(queries)
    scored = time.process_time()

    fit_us, score_us = (fitted - start) / PRICES * 1e6, (scored - fitted) / len(queries) * 1e6
    print(f"fit: {PRICES:,} in {fitted - start:.2f} s, {fit_us:.1f} us each; score: {score_us:.1f} us each")
    assert all(assessed)
    assert fit_us < 180
    assert score_us < 150
