"""What usually sets the price? Effects of category, brand and condition, fitted to the logarithms of observed prices.

`index.price_rows` brings the observations to one currency; what comes back is looked up for every listing. Each level
explains what the levels above left over and is shrunk towards none while it rests on few prices; what is left after
all has one robust scale for every cell, because a scale per cell was measured to hurt. Last, `index.price_shares`
learns from what is left how often each innocent story is true.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from index.condition import Condition
from index.price_effects import core_scale, pooled_scale, shrunken_effects
from index.price_rows import LEVELS, MISTAKEN_FOR, CurrencyTable, PriceRow, usual_effect
from index.price_shares import learn_stories
from index.price_stories import PriceSettings, StoryShares, for_declarations

FloatArray = NDArray[np.float64]

# The scale of log prices within a cell before any data (measured on real prices: 0.39 to 0.44), the number of
# differences that this is worth (Smyth 2004), and a floor for catalogues in which every price is the same.
_PRIOR_SCALE, _PRIOR_WEIGHT, _LEAST_SCALE = 0.45, 25, 0.1
# What an unseen group may differ by before any data (a factor of 1.6 either way), and the groups that this is worth:
# a history of one brand says nothing of how much brands differ.
_PRIOR_BETWEEN, _PRIOR_GROUPS = 0.45**2, 5
# How far a condition's effect may lie from the data file's, as a variance of log price: a factor of 1.4 either way.
_CONDITION_VARIANCE = 0.35**2


@dataclass(frozen=True)
class GroupEffect:
    """What one group adds to the log price, the variance of what is still unknown of it, and what it rests on.

    That is `observations`, its number of prices, and `band_weight`, what price bands weigh there in prices.
    """

    value: float
    variance: float
    observations: int
    band_weight: int = 0


@dataclass(frozen=True)
class Level:
    """The effects of one level by group; a group never seen adds nothing but the variance `between`."""

    name: str
    groups: Mapping[str, GroupEffect]
    between: float

    def effect(self, key: str) -> GroupEffect:
        """Return the effect of the group `key`, or of an unknown group."""
        return self.groups.get(key) or GroupEffect(0.0, self.between, 0)


@dataclass(frozen=True)
class FittedPrices:
    """All effects. `origin` is the median log price; plain goods lie `offset` above what origin and effects give.

    `scale` is the standard deviation of log prices within a cell, of genuine goods; `location_scale` that of all that a
    history holds, by which effects are shrunk. `shares` says how often each innocent story is true.
    """

    origin: float
    offset: float
    scale: float
    location_scale: float
    levels: tuple[Level, ...]
    conditions: Level
    shares: StoryShares


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One level, what it adds to each row and leaves of it, and the variance of what is unknown there: float64 [n]."""

    level: Level
    values: FloatArray
    left: FloatArray
    variances: FloatArray


def fit_prices(rows: Sequence[PriceRow], currencies: CurrencyTable, prior: StoryShares) -> FittedPrices:
    """Fit all effects and the stories' shares. The order of the rows does not matter."""
    observed = np.array([row.observed for row in rows], dtype=bool)
    as_new = np.array([row.log_price - usual_effect(row.condition) for row in rows], dtype=np.float64)
    origin = float(np.median(as_new)) if len(as_new) else 0.0
    columns: list[tuple[str, ...]] = list(zip(*(row.keys for row in rows), strict=True)) or [()] * len(LEVELS)
    left = as_new - origin
    codes = _codes(columns[-1])[1]
    scale = _blend(*core_scale(codes[observed], left[observed]))
    # Effects are measured among sales, fakes and mistakes, and shrunk by that spread; genuine prices spread less.
    location_scale = _blend(*pooled_scale(codes[observed], left[observed]))
    fitted = []
    for name, column in zip(LEVELS, columns, strict=True):
        fitted.append(_fit_level(name, column, left, observed, scale=location_scale))
        left = fitted[-1].left
    stated = [row.condition.value for row in rows]
    fitted.append(_fit_level("condition", stated, left, observed, scale=location_scale, between=_CONDITION_VARIANCE))
    stories = learn_stories(
        fitted[-1].left[observed], _settings(rows, currencies, fitted, scale).take(np.flatnonzero(observed)), prior
    )
    *levels, conditions = (each.level for each in fitted)
    return FittedPrices(origin, stories.offset, scale, location_scale, tuple(levels), conditions, stories.shares)


def _settings(
    rows: Sequence[PriceRow], currencies: CurrencyTable, fitted: Sequence[_Fitted], scale: float
) -> PriceSettings:
    """Return where each row stands, its expected price counted as 0."""
    everything = sum((each.values for each in fitted), np.zeros(len(rows)))
    brand = fitted[LEVELS.index("brand")].values
    unknown = sum((each.variances for each in fitted), np.zeros(len(rows)))
    used = np.array([is_used(row.condition) for row in rows], dtype=bool)
    shares, sale_shift, sale_scale = for_declarations(
        StoryShares(), used=used, on_sale=np.zeros(len(rows), bool), sale_off=np.full(len(rows), np.nan)
    )
    return PriceSettings(
        expected=np.zeros(len(rows)),
        scale=np.sqrt(scale**2 + unknown),
        brand_level=brand - everything,
        currency_shifts=np.array([currencies.shifts[row.currency] for row in rows]).reshape(
            len(rows), len(MISTAKEN_FOR)
        ),
        shares=shares,
        sale_shift=sale_shift,
        sale_scale=sale_scale,
    )


def is_used(condition: Condition) -> bool:
    """Tell whether the seller says that the goods are not new."""
    return condition not in {Condition.NEW, Condition.UNKNOWN}


def _fit_level(
    name: str,
    column: Sequence[str],
    residuals: FloatArray,
    observed: NDArray[np.bool_],
    *,
    scale: float,
    between: float | None = None,
) -> _Fitted:
    """Fit one level to `residuals` float64 [n]; rows with the key "" have no effect."""
    names, codes = _codes(column)
    known = np.array([key != "" for key in column], dtype=bool)
    nothing = np.zeros(len(residuals))
    if not known.any():
        unseen = _PRIOR_BETWEEN if between is None else between
        return _Fitted(Level(name, MappingProxyType({}), unseen), nothing, residuals, nothing + unseen)
    codes, names = (codes - 1, names[1:]) if names[0] == "" else (codes, names)
    effects = shrunken_effects(codes[known], residuals[known], scale=scale, between=between)
    seen = np.bincount(codes[known & observed], minlength=len(names))
    groups = {
        key: GroupEffect(*numbers)
        for key, *numbers in zip(
            names,
            effects.values.tolist(),
            effects.variances.tolist(),
            seen.tolist(),
            (effects.counts - seen).tolist(),
            strict=True,
        )
    }
    unseen = effects.between
    if between is None:
        unseen = (_PRIOR_GROUPS * _PRIOR_BETWEEN + len(groups) * unseen) / (_PRIOR_GROUPS + len(groups))
    values = np.where(known, effects.values[codes], 0.0)
    variances = np.where(known, effects.variances[codes], unseen)
    return _Fitted(Level(name, MappingProxyType(groups), unseen), values, residuals - values, variances)


def _codes(column: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct keys in order, so that the order of rows does not matter, and each row's place among them."""
    names = sorted(set(column))
    place = {name: code for code, name in enumerate(names)}
    return names, np.fromiter((place[key] for key in column), dtype=np.int64, count=len(column))


def _blend(scale: float, weight: int) -> float:
    """Return `scale`, resting on `weight` differences, blended with what is known before any data."""
    if weight == 0:
        return _PRIOR_SCALE
    variance = (_PRIOR_WEIGHT * _PRIOR_SCALE**2 + weight * scale**2) / (_PRIOR_WEIGHT + weight)
    return max(math.sqrt(variance), _LEAST_SCALE)
