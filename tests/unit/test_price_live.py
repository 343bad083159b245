"""Prices that arrive move the model as a fit of everything would, and every replica comes to the same model."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.price_bands import BAND_WEIGHT, BrandPriceBand, PriceBand, band_prices
from index.price_live import fitted_count, follow, read_all
from index.price_query import PriceQuery
from index.pricing import PriceModel
from training.price_world import World, WorldSettings, make_world

RATES = ExchangeRates.load()
WORLD = make_world(1, WorldSettings(cells=300, brands=100))


def shuffled(world: World) -> list[PriceObservation]:
    """Return the history as it might arrive."""
    order = np.random.default_rng(0).permutation(len(world.history))
    return [world.history[place] for place in order]


ARRIVED = shuffled(WORLD)


def read(count: int) -> PriceModel:
    """Return the model of the first prices."""
    return read_all(ARRIVED[:count], RATES, base_currency="USD")


def away(one: PriceModel, other: PriceModel) -> np.ndarray:
    """Return how far apart expected prices are, as absolute log ratios over the world's cases."""
    pairs = zip(one.score_batch(WORLD.cases), other.score_batch(WORLD.cases), strict=True)
    return np.array([abs(math.log(a.expected.amount / b.expected.amount)) for a, b in pairs if a and b])


@pytest.mark.parametrize(("count", "fitted"), [(0, 0), (31, 31), (33, 32), (1000, 992), (1_000_000, 983_040)])
def test_how_many_are_fitted_depends_on_the_count_alone(count: int, fitted: int) -> None:
    """At most one price in sixteen is left to updates."""
    assert fitted_count(count) == fitted
    assert count - fitted <= count / 16


def test_following_gives_the_model_that_reading_gives() -> None:
    """A replica that followed in odd pieces has exactly the model of one that just read the store."""
    model: PriceModel | None = read(900)
    at = 900
    for step in (1, 40, 3, 200, 7):
        at += step
        assert model is not None
        model = follow(model, ARRIVED[at - step : at]) or read(at)

    assert model == read(at)


def test_updates_are_close_to_a_fit_of_everything() -> None:
    """With a sixteenth of the prices arrived after the fit, expected prices are 2% off in the median, 10% at 99%."""
    first = len(ARRIVED) * 15 // 16
    live = PriceModel.fit(ARRIVED[:first], RATES).updated(ARRIVED[first:])

    distances = away(live, PriceModel.fit(ARRIVED, RATES))

    assert np.median(distances) < 0.02
    assert np.quantile(distances, 0.99) < 0.10
    assert live.observations == len(ARRIVED)


def test_a_new_cell_is_learnt_price_by_price() -> None:
    """Prices of a cell that was never seen move the expectation there, and are counted on every level."""
    query = PriceQuery(brand="Brand 1", category="new > thing", condition="new", unit_price=Money(Decimal(9), "INR"))
    price = PriceObservation(
        brand="Brand 1", category="new > thing", condition="new", unit_price=Money(Decimal(90_000), "INR")
    )
    model = PriceModel.fit(ARRIVED, RATES)

    before, after = model.score(query), model.updated([price] * 12).score(query)

    assert before is not None
    assert after is not None
    assert before.expected.amount < 20_000
    assert 50_000 < after.expected.amount < 100_000
    assert [level.observations for level in after.levels if level.name == "brand x category"] == [12]


def test_one_wild_price_moves_little() -> None:
    """A price a thousand times too low counts as one that is just unusual."""
    query = WORLD.cases[0]
    wild = PriceObservation(
        brand=query.brand, category=query.category, condition="new", unit_price=Money(Decimal("0.01"), "INR")
    )
    model = PriceModel.fit(ARRIVED, RATES)

    before, after = model.score(query), model.updated([wild]).score(query)

    assert before is not None
    assert after is not None
    assert float(after.expected.amount / before.expected.amount) > 0.8


def band(low: int, high: int, category: tuple[str, ...] = ("shoes", "sneakers"), market: str = "") -> BrandPriceBand:
    """Return a band of Acme's in dollars."""
    money = [Money(Decimal(amount), "USD") for amount in (low, high)]
    return BrandPriceBand("Acme", PriceBand(category_path=category, market=market, low=money[0], high=money[1]))


def ask(model: PriceModel, price: int = 100) -> PriceQuery:
    """Return a query of Acme's sneakers."""
    return PriceQuery(
        brand="acme", category="Shoes > Sneakers", condition="new", unit_price=Money(Decimal(price), "USD")
    )


def test_a_band_weighs_as_ten_prices_whatever_its_markets() -> None:
    """One band is ten prices evenly spaced in the logarithm; bands of two markets share the weight."""
    one = [price for _, price in band_prices([band(100, 400)])]
    two = [price for _, price in band_prices([band(100, 400, market="DE"), band(50, 200, market="US")])]

    assert len(one) == len(two) == BAND_WEIGHT
    assert np.mean(one) == pytest.approx(math.log(200))
    assert np.mean(two) == pytest.approx(math.log(200) / 2 + math.log(100) / 2)


def test_a_band_alone_sets_the_expectation_and_the_evidence_says_so() -> None:
    """Without a single price a band speaks: the expectation lies in it, and a tenth of it is suspicious."""
    model = PriceModel.fit(ARRIVED, RATES, bands=[band(400, 900)])

    found = model.score(ask(model, 20))

    assert found is not None
    assert 400 < found.expected.amount < 900
    assert found.score > 2
    assert found.observations == 0
    assert found.levels[-1].band_weight == BAND_WEIGHT
    assert "0 prices and the brand owner's price band" in found.explanation


def test_the_market_corrects_a_band() -> None:
    """Two hundred prices at 100 outweigh a band around 600."""
    prices = [
        PriceObservation(
            brand="Acme", category="shoes > sneakers", condition="new", unit_price=Money(Decimal(90 + n % 20), "USD")
        )
        for n in range(200)
    ]

    found = PriceModel.fit([*ARRIVED, *prices], RATES, bands=[band(400, 900)]).score(ask(PriceModel.fit([], RATES)))

    assert found is not None
    assert 80 < found.expected.amount < 160
    assert found.observations == 200
