"""The price model: what is usual, what is suspicious, and what is said about it."""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import PriceDataError
from index.market_records import PriceObservation
from index.money import ExchangeRates, Money
from index.price_assessment import PriceAssessment
from index.price_query import PriceQuery
from index.price_stories import StoryShares
from index.pricing import MINIMUM_OBSERVATIONS, PriceModel

DOLLARS_ONLY = ExchangeRates(date(2025, 9, 1), "USD", {"USD": Decimal(1)})
RATES = ExchangeRates.load()
SNEAKERS = "shoes > sneakers"


def seen(price: str, *, brand: str = "Nike", category: str = SNEAKERS, condition: str = "new") -> PriceObservation:
    """Return one observed price in dollars."""
    return PriceObservation(
        brand=brand, category=category, condition=condition, unit_price=Money(Decimal(price), "USD")
    )


def catalogue() -> list[PriceObservation]:
    """Return 240 prices: three brands (at 100, 50 and 20 dollars) in two categories, each within a factor of 1.5."""
    levels = {"Nike": 100, "Puma": 50, "Lidl": 20}
    factors = {SNEAKERS: 1.0, "apparel > tshirt": 0.4}
    chance = random.Random(7)
    return [
        seen(f"{level * factor * math.exp(chance.uniform(-0.4, 0.4)):.2f}", brand=brand, category=category)
        for (brand, level), (category, factor) in itertools.product(levels.items(), factors.items())
        for _ in range(40)
    ]


MODEL = PriceModel.fit(catalogue(), RATES)
NO_MISTAKES = PriceModel.fit(catalogue(), DOLLARS_ONLY)


def ask(
    price: str,
    *,
    model: PriceModel = MODEL,
    brand: str = "Nike",
    category: str = SNEAKERS,
    condition: str = "new",
    currency: str = "USD",
) -> PriceAssessment:
    """Return the model's assessment of a price that it has evidence on."""
    query = PriceQuery(brand=brand, category=category, condition=condition, unit_price=Money(Decimal(price), currency))
    assessment = model.score(query)
    assert assessment is not None
    return assessment


def test_the_usual_price_is_expected_and_unsuspicious() -> None:
    """A price near the cell's centre is expected, within the central 90%, and scores far below 0."""
    assessment = ask("100")

    assert 90 < assessment.expected.amount < 110
    assert assessment.low.amount < 75
    assert assessment.high.amount > 130
    assert assessment.ratio == pytest.approx(100 / float(assessment.expected.amount), rel=1e-3)
    assert assessment.score < -2
    assert (assessment.basis, assessment.observations) == ("brand x category", 40)


def test_a_twentieth_of_the_usual_price_is_suspicious() -> None:
    """Five per cent of the usual price is likelier a counterfeit's than an innocent one's, and is said to be."""
    assessment = ask("5")

    assert assessment.score > 2
    assert "% of the usual price: likelier a counterfeit than" in assessment.explanation
    assert "brand x category, 40 prices" in assessment.explanation


@pytest.mark.parametrize(
    ("price", "condition", "story"),
    [
        ("100", "new", "consistent with the usual spread of prices|not low"),
        ("75", "new", r"or a (20|25|30)% sale"),
        ("38", "new", r"consistent with (a 60% sale|used goods|a 65% sale)"),
        ("500", "new", "times the usual price: not low"),
        ("50", "used, good", "usual spread|not low"),
    ],
)
def test_the_explanation_names_the_best_innocent_story(price: str, condition: str, story: str) -> None:
    """A moderator reads which innocent story fits a price best."""
    assert re.search(story, ask(price, condition=condition).explanation)


def test_an_amount_meant_in_dollars_is_recognised() -> None:
    """A listing in rupees that asks the dollar price is 1/88 of the usual one, and explained."""
    assessment = ask("100", currency="INR")

    assert "an amount meant in USD" in assessment.explanation or "meant in EUR" in assessment.explanation
    assert assessment.score < ask("4").score


def test_money_comes_back_in_the_currency_of_the_query() -> None:
    """The expectation is stated in the listing's own currency."""
    dollars, euros = ask("100"), ask("100", currency="EUR")

    assert (euros.expected.currency, euros.low.currency, euros.high.currency) == ("EUR", "EUR", "EUR")
    assert float(euros.expected.amount) == pytest.approx(0.855 * float(dollars.expected.amount), rel=1e-3)


def test_a_declared_condition_moves_the_expectation() -> None:
    """Used goods are expected to cost less than new ones, even where the history knows only new ones."""
    new, used = ask("50"), ask("50", condition="gebraucht")

    assert used.expected.amount < Decimal("0.7") * new.expected.amount
    assert used.score < new.score


def test_the_history_corrects_the_usual_share_of_used_goods() -> None:
    """Where used goods fetch 80% of the new price, the expectation moves there from the usual 50%."""
    used = [seen(str(row.unit_price.amount * Decimal("0.8")), condition="used") for row in catalogue()[:40]]

    model = PriceModel.fit([*catalogue(), *used], RATES)

    assert 72 < ask("80", model=model, condition="used").expected.amount < 92


def test_an_unseen_cell_leans_on_brand_and_category() -> None:
    """A brand's first prices in a category it was never seen in: its level and the category's are put together."""
    history = [row for row in catalogue() if (row.brand, row.category) != ("Puma", SNEAKERS)]

    assessment = ask("50", model=PriceModel.fit(history, RATES), brand="Puma")

    assert 30 < assessment.expected.amount < 80
    assert (assessment.basis, assessment.observations) == ("brand", 40)


def test_spelling_of_names_does_not_matter() -> None:
    """Brand and category are found whatever their case and spacing."""
    assert ask("50", brand=" NIKE ", category="Shoes>Sneakers") == ask("50")


def test_nothing_known_is_no_evidence() -> None:
    """Neither brand nor category on record: None, and the reason names both."""
    query = PriceQuery(brand="Acme", category="tools > saws", condition="new", unit_price=Money(Decimal(5), "USD"))

    assert MODEL.score(query) is None
    assert MODEL.why_unknown(query) == ("no price is on record for the brand (Acme) or the category (tools > saws)")


def test_no_exchange_rate_is_no_evidence() -> None:
    """A price in a currency without a rate cannot be compared, and the reason names the currency."""
    query = PriceQuery(brand="Nike", category=SNEAKERS, condition="", unit_price=Money(Decimal(5), "XPF"))

    assert MODEL.score(query) is None
    assert MODEL.why_unknown(query) == "there is no exchange rate for XPF"


def test_a_model_of_nothing_has_no_evidence() -> None:
    """A model fitted on no price is a model, and knows nothing."""
    empty = PriceModel.fit([], RATES)

    assert empty.observations == 0
    assert empty.score(PriceQuery(brand="Nike", category="", condition="", unit_price=Money(Decimal(5), "USD"))) is None


def test_too_few_prices_assert_nothing() -> None:
    """On fewer than the minimum no price is called suspicious, and the sentence says why."""
    few = PriceModel.fit([seen("100")] * (MINIMUM_OBSERVATIONS - 1), RATES)
    enough = PriceModel.fit([seen("100")] * MINIMUM_OBSERVATIONS, RATES)

    assert ask("5", model=few).score <= 0
    assert "too few prices to be weighed (brand x category, 4 prices)" in ask("5", model=few).explanation
    assert ask("5", model=enough).score > ask("5", model=few).score


def test_a_brand_without_a_category_is_enough() -> None:
    """With the brand alone the brand's prices are the basis, and the interval is wider than the cell's."""
    brand, cell = ask("100", category=""), ask("100")

    assert (brand.basis, brand.observations) == ("brand", 80)
    assert brand.high.amount / brand.low.amount > cell.high.amount / cell.low.amount


def test_unusable_observations_are_counted_not_fitted() -> None:
    """Prices of nothing and prices without a rate are left out and counted."""
    odd = PriceObservation(brand="Nike", category="", condition="", unit_price=Money(Decimal(5), "XPF"))

    model = PriceModel.fit([*catalogue(), odd, seen("0")], RATES)

    assert (model.observations, model.ignored) == (240, 2)
    assert model.fitted == MODEL.fitted


@pytest.mark.parametrize("price", ["0", "1e-30", "1e400"])
def test_extreme_prices_are_assessed(price: str) -> None:
    """A gift, and amounts beyond the range of floats, come out with finite figures."""
    assessment = ask(price, model=NO_MISTAKES)

    assert math.isfinite(assessment.score)
    assert (assessment.score > 2) == (Decimal(price) < 1)


def test_a_negative_price_is_refused() -> None:
    """A negative unit price is no price."""
    with pytest.raises(PriceDataError, match="is negative; state a price of 0 or more"):
        PriceQuery(brand="Nike", category="", condition="", unit_price=Money(Decimal(-1), "USD"))


@pytest.mark.parametrize("usual", [0.0, 0.7])
def test_story_shares_are_a_distribution(usual: float) -> None:
    """Shares that do not add up, or rule a story out, are refused."""
    with pytest.raises(PriceDataError, match="each be above 0 and add up to 1"):
        StoryShares(usual=usual)


def test_the_model_is_immutable() -> None:
    """A fitted model can be shared between threads: nothing of it can be assigned."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        MODEL.observations = 0  # type: ignore[misc]
    with pytest.raises(TypeError):
        MODEL.fitted.levels[0].groups["new"] = None  # type: ignore[index]


PRICES = st.decimals(min_value="0.01", max_value="100000", places=2).map(str)


@given(prices=st.lists(PRICES, min_size=2, max_size=2), brand=st.sampled_from(["Nike", "Puma", "Lidl", "Acme"]))
def test_a_lower_price_is_never_less_suspicious(prices: Sequence[str], brand: str) -> None:
    """Where no other currency explains it, a lower price never lowers the score."""
    lower, higher = sorted(prices, key=Decimal)

    assert ask(lower, model=NO_MISTAKES, brand=brand).score >= ask(higher, model=NO_MISTAKES, brand=brand).score


OBSERVATIONS = st.lists(
    st.builds(
        seen,
        PRICES,
        brand=st.sampled_from(["Nike", "Puma", ""]),
        category=st.sampled_from([SNEAKERS, "shoes", "bags > clutch", ""]),
        condition=st.sampled_from(["new", "used", ""]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(history=OBSERVATIONS, chance=st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(history: list[PriceObservation], chance: random.Random) -> None:
    """The same prices in any order give exactly the same model, and fitting again does too."""
    shuffled = history.copy()
    chance.shuffle(shuffled)

    assert PriceModel.fit(shuffled, RATES) == PriceModel.fit(history, RATES) == PriceModel.fit(history, RATES)


@settings(max_examples=60, deadline=None)
@given(history=OBSERVATIONS, price=PRICES, currency=st.sampled_from(["EUR", "JPY", "KWD", "VND"]))
def test_the_base_currency_does_not_matter(history: list[PriceObservation], price: str, currency: str) -> None:
    """Counting in another base currency changes no score and no ratio beyond rounding."""
    query = PriceQuery(brand="Nike", category=SNEAKERS, condition="new", unit_price=Money(Decimal(price), "USD"))

    one = PriceModel.fit(history, RATES).score(query)
    other = PriceModel.fit(history, RATES, base_currency=currency).score(query)

    assert (one is None) == (other is None)
    if one and other:
        assert other.score == pytest.approx(one.score, abs=1e-6)
        assert other.ratio == pytest.approx(one.ratio, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(history=OBSERVATIONS, price=PRICES)
def test_any_history_gives_finite_figures(history: list[PriceObservation], price: str) -> None:
    """However few and odd the prices, the interval is in order and all figures are finite."""
    query = PriceQuery(brand="Nike", category=SNEAKERS, condition="", unit_price=Money(Decimal(price), "USD"))

    assessment = PriceModel.fit(history, RATES).score(query)

    if assessment is not None:
        assert 0 < assessment.low.amount < assessment.expected.amount < assessment.high.amount
        assert math.isfinite(assessment.score)
        assert math.isfinite(assessment.ratio)
        assert assessment.observations >= MINIMUM_OBSERVATIONS or assessment.score <= 0
