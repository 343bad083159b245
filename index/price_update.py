"""How does one more price move what is usual? The effects of its own groups, each by how little is known of it.

A log price is the sum of its groups' effects and noise, so that a new one corrects all of them at once, in proportion
to their variances: a Kalman filter's step in which the effects' covariances are left out (assumed-density filtering,
Opper 1998), its innovation bounded as in the fit (Huber 1981). What the fit estimates of everything, the scales, the
spread between groups and the stories' shares, stays until the next fit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from index.price_effects import HUBER_TUNING, HUBER_VARIANCE
from index.price_fit import FittedPrices, GroupEffect, Level
from index.price_rows import PriceRow, usual_effect


def update(fitted: FittedPrices, rows: Iterable[PriceRow]) -> FittedPrices:
    """Return the effects after one row after the other; work and memory are those of the groups touched.

    The mappings of groups are copied once a call, not once a row.
    """
    levels = [*fitted.levels, fitted.conditions]
    moved: list[dict[str, GroupEffect]] = [{} for _ in levels]
    for row in rows:
        _move(levels, moved, (*row.keys, row.condition.value), fitted, row)
    if not any(moved):
        return fitted
    *hierarchy, conditions = (
        replace(level, groups=MappingProxyType({**level.groups, **news}))
        for level, news in zip(levels, moved, strict=True)
    )
    return replace(fitted, levels=tuple(hierarchy), conditions=conditions)


def _move(
    levels: list[Level], moved: list[dict[str, GroupEffect]], keys: tuple[str, ...], fitted: FittedPrices, row: PriceRow
) -> None:
    own = [news.get(key) or level.effect(key) for level, news, key in zip(levels, moved, keys, strict=True)]
    expected = fitted.origin + usual_effect(row.condition) + sum(effect.value for effect in own)
    variance = HUBER_VARIANCE * fitted.location_scale**2 + sum(effect.variance for effect in own)
    limit = HUBER_TUNING * math.sqrt(variance)
    innovation = max(-limit, min(row.log_price - expected, limit))
    for news, key, effect in zip(moved, keys, own, strict=True):
        if key:
            gain = effect.variance / variance
            news[key] = replace(
                effect,
                value=effect.value + gain * innovation,
                variance=effect.variance * (1.0 - gain),
                observations=effect.observations + 1,
            )
