"""Is this price usual for this brand, category and condition? The fitted price model, as the pipeline asks it.

It is asked after the category is known, and its answer becomes price evidence, which alone never takes a listing down.
`index.price_fit` says what a price usually is, `index.price_explanations` weighs the innocent stories of a low one, and
`index.price_sentences` puts the result into words. Prices come from the store (`index.price_history` imports them).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from index.condition import Condition
from index.errors import PriceDataError
from index.money import ExchangeRates, Money
from index.price_explanations import T_95, PriceSetting, StoryShares, weigh
from index.price_fit import LEVELS, FittedPrices, GroupEffect, condition_of, fit_prices, level_keys, usual_effect
from index.price_sentences import explain
from index.records import PriceObservation

# Below this many prices on every level nothing is asserted: one typing error would decide.
MINIMUM_OBSERVATIONS = 5
# Currencies in which an amount may have been meant that stands there in the listing's own.
_MISTAKEN_FOR = ("USD", "EUR", "GBP", "CNY", "JPY", "INR")
# Logarithms of money are kept within this, 2e-22 to 5e21: nothing, and amounts beyond floats, stay comparable.
_LOG_LIMIT = 50.0


@dataclass(frozen=True, kw_only=True)
class PriceQuery:
    """What is offered, per piece: divide a lot's price by its unit count first. All words are the seller's.

    `category` is a path such as "shoes > sports-shoes", in the vocabulary of the price history.
    """

    brand: str
    category: str
    condition: str
    unit_price: Money

    def __post_init__(self) -> None:
        """Refuse negative prices."""
        if self.unit_price.amount < 0:
            raise PriceDataError(f"The unit price {self.unit_price} is negative; state a price of 0 or more.")


@dataclass(frozen=True, kw_only=True)
class PriceAssessment:
    """How a price stands. Money is in the query's currency, per piece.

    `low` and `high` hold the central 90% of usual prices; `ratio` is price / `expected`; `score` is a log-likelihood
    ratio (above 0: likelier a counterfeit's price than any innocent one's; never above 0 on fewer than
    MINIMUM_OBSERVATIONS prices); `basis` names the level with enough prices that is most particular, and `observations`
    the prices on it; `explanation` is a sentence for the moderator.
    """

    expected: Money
    low: Money
    high: Money
    ratio: float
    score: float
    basis: str
    observations: int
    explanation: str


@dataclass(frozen=True, kw_only=True)
class PriceModel:
    """What prices usually are, in `base_currency`. Immutable, and the same for any order of the observations.

    `observations` were fitted on; `ignored` had no positive price or no exchange rate.
    """

    base_currency: str
    rates: ExchangeRates
    shares: StoryShares
    fitted: FittedPrices
    observations: int
    ignored: int

    @classmethod
    def fit(
        cls,
        observations: Iterable[PriceObservation],
        rates: ExchangeRates,
        *,
        base_currency: str = "USD",
        shares: StoryShares | None = None,
    ) -> PriceModel:
        """Fit the model; a model fitted on nothing knows nothing. Raises PriceDataError without a rate for the base."""
        to_base = {code: float(rates.factor(code, base_currency)) for code in (*rates.units_per_base, base_currency)}
        rows = list(observations)
        usable = [row for row in rows if row.unit_price.amount > 0 and row.unit_price.currency in to_base]
        log_prices = [_log(row.unit_price.amount) + math.log(to_base[row.unit_price.currency]) for row in usable]
        fitted = fit_prices(
            np.array(log_prices, dtype=np.float64),
            [level_keys(row.brand, row.category) for row in usable],
            [condition_of(row.condition) for row in usable],
        )
        return cls(
            base_currency=base_currency,
            rates=rates,
            shares=shares or StoryShares(),
            fitted=fitted,
            observations=len(usable),
            ignored=len(rows) - len(usable),
        )

    def score(self, query: PriceQuery) -> PriceAssessment | None:
        """Assess a price; None when nothing is known that it could be compared with (`why_unknown` says what)."""
        if self.why_unknown(query):
            return None
        currency = query.unit_price.currency
        to_own = math.log(self.rates.factor(self.base_currency, currency))
        setting = self._setting(query)
        basis, observations = self._basis(query)
        log_price = _log(query.unit_price.amount) - to_own
        weighing = weigh(log_price, setting)
        if observations < MINIMUM_OBSERVATIONS:
            weighing = replace(weighing, score=min(weighing.score, 0.0))
        ratio = math.exp(log_price - setting.expected)
        centre, reach = setting.expected + to_own, T_95 * setting.scale
        return PriceAssessment(
            expected=_money(centre, currency),
            low=_money(centre - reach, currency),
            high=_money(centre + reach, currency),
            ratio=ratio,
            score=weighing.score,
            basis=basis,
            observations=observations,
            explanation=explain(
                weighing, ratio=ratio, basis=basis, observations=observations, minimum=MINIMUM_OBSERVATIONS
            ),
        )

    def why_unknown(self, query: PriceQuery) -> str:
        """Return why `score` has no evidence on a price, as a sentence for the moderator; "" when it has."""
        if query.unit_price.currency not in self.rates.units_per_base:
            return f"there is no exchange rate for {query.unit_price.currency}"
        if not any(effect.observations for effect in self._effects(query)):
            brand, category = query.brand or "no brand", query.category or "no category"
            return f"no price is on record for the brand ({brand}) or the category ({category})"
        return ""

    def _effects(self, query: PriceQuery) -> list[GroupEffect]:
        keys = level_keys(query.brand, query.category)
        return [level.effect(key) for level, key in zip(self.fitted.levels, keys, strict=True)]

    def _basis(self, query: PriceQuery) -> tuple[str, int]:
        """Return the most particular level with enough prices, else the one with most, and its number of prices."""
        counts = [(level, effect.observations) for level, effect in zip(LEVELS, self._effects(query), strict=True)]
        enough = [entry for entry in counts if entry[1] >= MINIMUM_OBSERVATIONS]
        return enough[-1] if enough else max(reversed(counts), key=lambda entry: entry[1])

    def _setting(self, query: PriceQuery) -> PriceSetting:
        condition = condition_of(query.condition)
        effects = [*self._effects(query), self.fitted.conditions.effect(condition.value)]
        unknown = sum(effect.variance for effect in effects)
        return PriceSetting(
            expected=self.fitted.origin + usual_effect(condition) + sum(effect.value for effect in effects),
            scale=math.sqrt(self.fitted.scale**2 + unknown),
            brand_level=self.fitted.origin + effects[LEVELS.index("brand")].value,
            currency_shifts=tuple(self._mistakes(query.unit_price.currency)),
            shares=self.shares,
            declared_used=condition not in {Condition.NEW, Condition.UNKNOWN},
        )

    def _mistakes(self, currency: str) -> Iterator[tuple[str, float]]:
        for meant_in in _MISTAKEN_FOR:
            if meant_in != currency and meant_in in self.rates.units_per_base:
                yield meant_in, math.log(self.rates.factor(currency, meant_in))


def _log(amount: Decimal) -> float:
    """Return the natural logarithm, within the limit, of an amount of 0 or more."""
    as_float = float(amount)
    return max(-_LOG_LIMIT, min(math.log(as_float), _LOG_LIMIT)) if as_float > 0.0 else -_LOG_LIMIT


def _money(log_amount: float, currency: str) -> Money:
    """Return the amount to the cent, or to four digits where a cent is much."""
    amount = math.exp(log_amount)
    return Money(Decimal(repr(round(amount, 2) if amount >= 1 else float(f"{amount:.4g}"))), currency)
