"""Is this price usual for this brand, category and condition? The fitted price model, as the pipeline asks it.

It is asked after the category is known, and its answer becomes price evidence, which alone never takes a listing down.
`index.price_fit` says what a price usually is, `index.price_explanations` weighs the innocent stories of a low one, and
`index.price_sentences` puts the result into words. Prices come from the store: `index.price_live` keeps the model up to
date as they arrive. docs/pricing.md has the formulas.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from index.market_records import PriceObservation
from index.money import ExchangeRates
from index.price_assessment import PriceAssessment
from index.price_bands import BrandPriceBand
from index.price_explanations import weigh
from index.price_fit import FittedPrices, GroupEffect, fit_prices, is_used
from index.price_query import LevelCount, PriceQuery
from index.price_rows import (
    LEVELS,
    MISTAKEN_FOR,
    CurrencyTable,
    band_rows,
    condition_of,
    level_keys,
    log_amount,
    read_rows,
    usual_effect,
)
from index.price_sentences import Finding
from index.price_stories import STORIES, T_95, PriceSettings, Story, StoryShares, for_declarations
from index.price_update import update

# Below this many prices on every level nothing is asserted: one typing error would decide.
MINIMUM_OBSERVATIONS = 5


class _Place(NamedTuple):
    """Where the goods of a query stand in the base currency, and what that rests on."""

    expected: float
    scale: float
    brand_level: float
    effects: tuple[GroupEffect, ...]
    basis: LevelCount


@dataclass(frozen=True, kw_only=True)
class PriceModel:
    """What prices usually are, in `base_currency`. Immutable; a fit is the same for any order of the observations.

    `observations` were fitted on; `ignored` had no positive price or no exchange rate.
    """

    base_currency: str
    rates: ExchangeRates
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
        bands: Iterable[BrandPriceBand] = (),
        prior: StoryShares | None = None,
    ) -> PriceModel:
        """Fit the model; a model fitted on nothing knows nothing. Raises PriceDataError without a rate for the base.

        `bands` weigh as `index.price_bands` says; `prior` is where learning the stories' shares starts.
        """
        currencies = CurrencyTable(rates, base_currency)
        rows, ignored = read_rows(observations, currencies)
        fitted = fit_prices([*rows, *band_rows(bands, currencies)], currencies, prior or StoryShares())
        return cls(base_currency=base_currency, rates=rates, fitted=fitted, observations=len(rows), ignored=ignored)

    def updated(self, arrived: Iterable[PriceObservation]) -> PriceModel:
        """Return the model moved by prices that arrived after its own, one after the other; their order counts."""
        rows, ignored = read_rows(arrived, self.currencies)
        return replace(
            self,
            fitted=update(self.fitted, rows),
            observations=self.observations + len(rows),
            ignored=self.ignored + ignored,
        )

    @property
    def read(self) -> int:
        """How many observations were read, usable or not."""
        return self.observations + self.ignored

    @property
    def shares(self) -> StoryShares:
        """How often each innocent story is true among genuine prices, as learnt."""
        return self.fitted.shares

    @functools.cached_property
    def currencies(self) -> CurrencyTable:
        """The rates as the model uses them."""
        return CurrencyTable(self.rates, self.base_currency)

    def score(self, query: PriceQuery) -> PriceAssessment | None:
        """Assess a price; None when nothing is known that it could be compared with (`why_unknown` says what)."""
        return self.score_batch([query])[0]

    def score_batch(self, queries: Sequence[PriceQuery]) -> list[PriceAssessment | None]:
        """Assess many prices at once: for each what `score` says of it alone."""
        assessed: list[PriceAssessment | None] = [None] * len(queries)
        find = functools.cache(self._place)  # for this batch: goods of one kind come many times
        places = {
            number: place
            for number, query in enumerate(queries)
            if (place := find(query.brand, query.category, query.condition, query.unit_price.currency)) is not None
        }
        if not places:
            return assessed
        known = [queries[number] for number in places]
        settings = self._settings(known, list(places.values()))
        log_prices = np.array([self._log_price(query) for query in known])
        weighing = weigh(log_prices, settings)
        for (number, place), log_price, score, story, meant in zip(
            places.items(),
            log_prices.tolist(),
            weighing.scores.tolist(),
            weighing.stories.tolist(),
            weighing.meant_in.tolist(),
            strict=True,
        ):
            assessed[number] = self._assess(
                queries[number], place, log_price, score, STORIES[story], MISTAKEN_FOR[meant]
            )
        return assessed

    def why_unknown(self, query: PriceQuery) -> str:
        """Return why `score` has no evidence on a price, as a sentence for the moderator; "" when it has."""
        if query.unit_price.currency not in self.rates.units_per_base:
            return f"there is no exchange rate for {query.unit_price.currency}"
        if self._place(query.brand, query.category, query.condition, query.unit_price.currency) is None:
            brand, category = query.brand or "no brand", query.category or "no category"
            return f"no price is on record for the brand ({brand}) or the category ({category})"
        return ""

    def _place(self, brand: str, category: str, condition_words: str, currency: str) -> _Place | None:
        """Return where the goods stand; None without a rate, or a price on record on any level."""
        if currency not in self.rates.units_per_base:
            return None
        keys = level_keys(brand, category)
        effects = tuple(level.effect(key) for level, key in zip(self.fitted.levels, keys, strict=True))
        basis = _basis(effects)
        if basis.weight == 0:
            return None
        condition = condition_of(condition_words)
        stated = self.fitted.conditions.effect(condition.value)
        return _Place(
            expected=self.fitted.origin
            + self.fitted.offset
            + usual_effect(condition)
            + sum([effect.value for effect in effects], stated.value),
            scale=math.sqrt(self.fitted.scale**2 + sum([effect.variance for effect in effects], stated.variance)),
            brand_level=self.fitted.origin + self.fitted.offset + effects[LEVELS.index("brand")].value,
            effects=effects,
            basis=basis,
        )

    def _log_price(self, query: PriceQuery) -> float:
        return log_amount(query.unit_price.amount) + self.currencies.to_base[query.unit_price.currency]

    def _settings(self, queries: Sequence[PriceQuery], places: Sequence[_Place]) -> PriceSettings:
        shares, sale_shift, sale_scale = for_declarations(
            self.fitted.shares,
            used=np.array([is_used(condition_of(query.condition)) for query in queries], dtype=bool),
            on_sale=np.array([query.sale is not None for query in queries], dtype=bool),
            sale_off=np.array(
                [math.nan if query.sale is None or query.sale.off is None else query.sale.off for query in queries]
            ),
        )
        return PriceSettings(
            expected=np.array([place.expected for place in places]),
            scale=np.array([place.scale for place in places]),
            brand_level=np.array([place.brand_level for place in places]),
            currency_shifts=np.array([self.currencies.shifts[query.unit_price.currency] for query in queries]),
            shares=shares,
            sale_shift=sale_shift,
            sale_scale=sale_scale,
        )

    def _assess(
        self, query: PriceQuery, place: _Place, log_price: float, score: float, story: Story, likeliest: str
    ) -> PriceAssessment:
        currency = query.unit_price.currency
        enough = place.basis.weight >= MINIMUM_OBSERVATIONS
        finding = Finding(
            ratio=math.exp(log_price - place.expected),
            score=score if enough else min(score, 0.0),
            story=story,
            meant_in=likeliest if story is Story.CURRENCY else "",
            basis=place.basis,
            enough=enough,
            sale=query.sale,
            used=is_used(condition_of(query.condition)),
        )
        return PriceAssessment(
            finding=finding,
            effects=place.effects,
            centre=place.expected - self.currencies.to_base[currency],
            reach=T_95 * place.scale,
            currency=currency,
        )


def _basis(effects: Sequence[GroupEffect]) -> LevelCount:
    """Return the most particular level with enough prices, else the one with most."""
    weights = [effect.observations + effect.band_weight for effect in effects]
    enough = [place for place, weight in enumerate(weights) if weight >= MINIMUM_OBSERVATIONS]
    place = enough[-1] if enough else max(reversed(range(len(weights))), key=weights.__getitem__)
    return LevelCount(LEVELS[place], effects[place].observations, effects[place].band_weight)
