"""What usually sets the price? Effects of category, brand and condition, fitted to the logarithms of observed prices.

`index.pricing` converts the observations to one currency and hands them over; what comes back is looked up for every
listing. Each level explains what the levels above left over and is shrunk towards none while it rests on few prices;
what is left after all has one robust scale for every cell, because a scale per cell was measured to hurt.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from index.condition import Condition, condition_words
from index.names import normalise_name
from index.price_effects import Groups, core_scale, pooled_scale, shrunken_effects

FloatArray = NDArray[np.float64]

# From the general to the particular; the department is the first part of the category's path.
LEVELS = ("department", "category", "brand", "brand x department", "brand x category")
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
    """What one group adds to the log price, the variance of what is still unknown of it, and its number of prices."""

    value: float
    variance: float
    observations: int


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
    """All effects. `origin` is the median log price, `scale` the standard deviation of log prices within a cell."""

    origin: float
    scale: float
    levels: tuple[Level, ...]
    conditions: Level


@functools.lru_cache(maxsize=4096)
def level_keys(brand: str, category: str) -> tuple[str, ...]:
    """Return the group of each of LEVELS that a brand and a category path ("shoes > sports-shoes") fall into.

    A key is "" when brand or category, and with it the group, is unknown.
    """
    brand = normalise_name(brand)
    path = [name for part in category.split(">") if (name := normalise_name(part))]
    department, leaf = "".join(path[:1]), " > ".join(path)
    return (
        department,
        leaf,
        brand,
        f"{brand}\n{department}" if brand and department else "",
        f"{brand}\n{leaf}" if brand and leaf else "",
    )


@functools.lru_cache(maxsize=4096)
def condition_of(words: str) -> Condition:
    """Return the condition that the seller's words state."""
    return condition_words().read(words)


def usual_effect(condition: Condition) -> float:
    """Return what a condition usually adds to the log price, before any data: 0 for new, ln 0.5 for used."""
    return math.log(condition_words().shares[condition])


def fit_prices(
    log_prices: FloatArray, keys: Sequence[tuple[str, ...]], conditions: Sequence[Condition]
) -> FittedPrices:
    """Fit all effects to `log_prices` float64 [n], in one currency, with the `level_keys` and condition of each row."""
    as_new = log_prices - np.array([usual_effect(condition) for condition in conditions])
    origin = float(np.median(as_new)) if len(as_new) else 0.0
    columns: list[tuple[str, ...]] = list(zip(*keys, strict=True)) or [()] * len(LEVELS)
    residuals, levels = as_new - origin, []
    cells = Groups.of(_codes(columns[-1])[1], residuals)
    scale = _blend(*core_scale(cells, residuals))
    # Effects are measured among sales, fakes and mistakes, and shrunk by that spread; genuine prices spread less.
    location_scale = _blend(pooled_scale(cells, residuals), int(np.sum(cells.counts - 1)))
    for name, column in zip(LEVELS, columns, strict=True):
        level, residuals = _fit_level(name, column, residuals, scale=location_scale)
        levels.append(level)
    stated = [condition.value for condition in conditions]
    by_condition, _ = _fit_level("condition", stated, residuals, scale=location_scale, between=_CONDITION_VARIANCE)
    return FittedPrices(origin, scale, tuple(levels), by_condition)


def _fit_level(
    name: str, column: Sequence[str], residuals: FloatArray, *, scale: float, between: float | None = None
) -> tuple[Level, FloatArray]:
    """Return the level's effects, and what they leave of `residuals` float64 [n]; rows with the key "" have none."""
    names, codes = _codes(column)
    known = np.array([key != "" for key in column], dtype=bool)
    if not known.any():
        return Level(name, MappingProxyType({}), _PRIOR_BETWEEN if between is None else between), residuals
    offset = 1 if names[0] == "" else 0
    effects = shrunken_effects(codes[known] - offset, residuals[known], scale=scale, between=between)
    groups = {
        key: GroupEffect(float(value), float(variance), int(count))
        for key, value, variance, count in zip(
            names[offset:], effects.values, effects.variances, effects.counts, strict=True
        )
    }
    unseen = effects.between
    if between is None:
        unseen = (_PRIOR_GROUPS * _PRIOR_BETWEEN + len(groups) * unseen) / (_PRIOR_GROUPS + len(groups))
    left = residuals.copy()
    left[known] -= effects.values[codes[known] - offset]
    return Level(name, MappingProxyType(groups), unseen), left


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
