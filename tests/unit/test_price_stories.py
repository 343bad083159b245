"""The stories of a price: densities against the formulas, how they are weighed, how their shares are learnt."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from index.money import ExchangeRates, Money
from index.price_explanations import weigh
from index.price_query import PriceQuery
from index.price_shares import PRIOR_WEIGHT, learn_stories
from index.price_stories import (
    FAKE_HIGH,
    FAKE_LOW,
    LARGEST_SALE,
    STORIES,
    PriceSettings,
    Story,
    StoryShares,
    currency_densities,
    fake_density,
    for_declarations,
    story_densities,
    usual_density,
)
from index.pricing import PriceModel
from training.metrics import tpr_at_fpr
from training.price_world import NuisanceRates, WorldSettings, make_world

RATES = ExchangeRates.load()
GRID = np.linspace(-30.0, 30.0, 60_001)


def settings(rows: int = 1, *, scale: float = 0.4, shares: StoryShares | None = None) -> PriceSettings:
    """Return settings of goods that cost 1, of a brand that costs 1, with no other currency."""
    nothing = np.zeros(rows, dtype=bool)
    table, shift, width = for_declarations(
        shares or StoryShares(), used=nothing, on_sale=nothing, sale_off=np.full(rows, np.nan)
    )
    return PriceSettings(
        expected=np.zeros(rows),
        scale=np.full(rows, scale),
        brand_level=np.zeros(rows),
        currency_shifts=np.full((rows, 1), np.nan),
        shares=table,
        sale_shift=shift,
        sale_scale=width,
    )


def student_t(z: float, freedom: int) -> float:
    """Return Student's density by the definition."""
    constant = math.gamma((freedom + 1) / 2) / (math.gamma(freedom / 2) * math.sqrt(freedom * math.pi))
    return float(constant * (1 + z * z / freedom) ** (-(freedom + 1) / 2))


@pytest.mark.parametrize("z", [0.0, 0.7, -3.0, 12.0])
def test_the_usual_spread_is_students_t(z: float) -> None:
    """The closed form with eight degrees of freedom equals the definition."""
    density = usual_density(np.array([z * 0.4]), np.array([0.4]))

    assert density[0] == pytest.approx(student_t(z, 8) / 0.4, rel=1e-12)


@pytest.mark.parametrize("scale", [0.1, 0.4, 1.5])
def test_fakes_are_the_uniform_convolved_with_the_t(scale: float) -> None:
    """The difference of distribution functions equals the integral over the uniform, near and far."""
    shifts = np.linspace(FAKE_LOW, FAKE_HIGH, 20_001)
    away = np.array([-8.0, -5.0, -3.5, -2.0, -1.0, 0.0])

    found = fake_density(away[None, :], settings(scale=scale))[0]

    integral = [np.trapezoid(usual_density(a - shifts, np.array(scale)), shifts) / (FAKE_HIGH - FAKE_LOW) for a in away]
    assert found == pytest.approx(integral, rel=1e-4)


def test_every_story_is_a_distribution_with_its_share() -> None:
    """Each density integrates to the story's share, the currency's over all currencies."""
    given = settings()
    of_currencies = PriceSettings(
        **{
            **{name: getattr(given, name) for name in given.__dataclass_fields__},
            "currency_shifts": np.array([[1.0, np.nan, 4.0]]),
        }
    )

    found = {
        story: float(np.trapezoid(values[0], GRID)) for story, values in story_densities(GRID[None, :], given).items()
    }
    currency = sum(
        float(
            np.trapezoid(
                currency_densities(GRID, of_currencies.take(np.zeros(len(GRID), dtype=np.int64)))[:, column], GRID
            )
        )
        for column in range(3)
    )

    assert [found[story] for story in STORIES[:4]] == pytest.approx(StoryShares().values[:4], abs=1e-3)
    assert currency == pytest.approx(StoryShares().currency, abs=1e-4)


def test_a_declared_condition_makes_used_goods_usual() -> None:
    """Where goods are declared used, that story's share goes to the usual one."""
    table, _, _ = for_declarations(
        StoryShares(), used=np.array([True]), on_sale=np.array([False]), sale_off=np.array([np.nan])
    )

    assert table[0] == pytest.approx([0.75, 0.20, 0.0, 0.04, 0.01])


def test_a_declared_sale_moves_share_and_place_of_the_sale() -> None:
    """Most of the usual share moves to the sale, which stands at the stated size up to the largest believed."""
    table, shift, width = for_declarations(
        StoryShares(),
        used=np.array([False, False, False]),
        on_sale=np.array([True, True, True]),
        sale_off=np.array([np.nan, 0.3, 0.9]),
    )

    assert table.sum(axis=1) == pytest.approx([1.0, 1.0, 1.0])
    assert table[:, 1] == pytest.approx([0.736] * 3)
    assert shift == pytest.approx([-0.40, math.log(0.7), math.log(1 - LARGEST_SALE)])
    assert width == pytest.approx([0.25, 0.1, 0.1])


def test_the_score_never_falls_with_the_price() -> None:
    """Along falling prices the score is monotone, past the last point of its lattice too."""
    prices = np.linspace(0.5, -15.0, 2_000)

    scores = weigh(prices, settings(len(prices))).scores

    assert np.all(np.diff(scores) >= 0.0)


def test_shares_and_offset_are_recovered_from_many_prices() -> None:
    """From 20,000 prices drawn of the stories, 5% fakes among them, shares come back to 0.04 and the offset to 0.03."""
    chance = np.random.default_rng(5)
    count, truth = 20_000, {"usual": 0.5, "sale": 0.1, "used": 0.3, "other": 0.1}
    kinds = chance.choice(len(truth), count, p=list(truth.values()))
    centre, width = np.array([0.0, -0.4, -0.7, 0.0])[kinds], np.array([0.0, 0.25, 0.35, 0.0])[kinds]
    away = 0.2 + centre + np.hypot(0.15, width) * chance.standard_t(8, count)
    away = np.where(kinds == 3, 0.8 * chance.standard_t(5, count), away)
    away = np.where(chance.random(count) < 0.05, chance.uniform(FAKE_LOW, FAKE_HIGH, count), away)

    learnt = learn_stories(away, settings(count, scale=0.15), StoryShares())

    assert learnt.shares.used == pytest.approx(0.3, abs=0.04)
    assert learnt.shares.usual == pytest.approx(0.5, abs=0.04)
    assert learnt.offset == pytest.approx(0.2, abs=0.03)


def test_without_prices_the_prior_stands() -> None:
    """Nothing to learn from leaves the prior shares and no offset; few prices hardly move them."""
    nothing = learn_stories(np.zeros(0), settings(0), StoryShares())
    few = learn_stories(np.zeros(10), settings(10), StoryShares())

    assert nothing.shares.values == pytest.approx(StoryShares().values)
    assert nothing.offset == 0.0
    assert few.shares.usual - 0.67 < 2 * 10 / PRIOR_WEIGHT


def test_fakes_in_the_history_do_not_become_used_goods() -> None:
    """A tenth of a history being fakes adds under two points to the shares of low-price stories."""
    chance = np.random.default_rng(2)
    clean = 0.3 * chance.standard_t(8, 5_000)
    spoilt = np.where(chance.random(5_000) < 0.1, clean + chance.uniform(FAKE_LOW, FAKE_HIGH, 5_000), clean)

    shares = [learn_stories(away, settings(5_000, scale=0.3), StoryShares()).shares for away in (clean, spoilt)]

    assert abs(shares[1].used + shares[1].sale - shares[0].used - shares[0].sale) < 0.02 + 0.1 * 0.28


def test_learning_finds_more_fakes_where_the_prior_is_wrong() -> None:
    """In worlds with twice the nuisances that the prior reckons with, learning finds at least 5 points more fakes."""
    gains = []
    for seed in range(3):
        world = make_world(seed, WorldSettings(nuisances=NuisanceRates().times(2.0)))
        learnt = PriceModel.fit(world.history, RATES)
        fixed = replace(learnt, fitted=replace(learnt.fitted, shares=StoryShares(), offset=0.0))
        scores = [[one.score for one in model.score_batch(world.cases) if one] for model in (learnt, fixed)]
        gains.append(tpr_at_fpr(scores[0], world.fake, fpr=0.005) - tpr_at_fpr(scores[1], world.fake, fpr=0.005))

    assert np.mean(gains) >= 0.05


@pytest.mark.parametrize("variant", [WorldSettings(cells=100, brands=40), WorldSettings(cells=60, rows_per_cell=3)])
def test_a_batch_says_of_each_price_what_it_says_alone(variant: WorldSettings) -> None:
    """Row for row a batch equals single scores: the same words and money, figures to 1e-9."""
    world = make_world(1, variant)
    model = PriceModel.fit(world.history, RATES)
    unknown = PriceQuery(brand="X", category="Y", condition="", unit_price=Money(Decimal(5), "INR"))
    queries = [*world.cases[:200], unknown]

    batch = model.score_batch(queries)

    assert batch[-1] is None
    for query, one in zip(queries[:-1], batch[:-1], strict=True):
        alone = model.score(query)
        assert (alone is None) == (one is None)
        if alone and one:
            assert one.score == pytest.approx(alone.score, abs=1e-9)
            assert (one.story, one.expected, one.levels, one.explanation) == (
                alone.story, alone.expected, alone.levels, alone.explanation,
            )  # fmt: skip


def test_stories_are_columns_in_one_order() -> None:
    """The shares' fields stand in the order of the stories."""
    assert [story.name.lower() for story in STORIES] == list(StoryShares.__dataclass_fields__)
    assert Story.USUAL is STORIES[0]
