"""How often is each innocent story true? Learnt from cleared prices by expectation maximisation under a prior.

Part of `index.price_fit`, after all effects are fitted: what is left of each price is explained by a mixture of the
stories of `index.price_stories`, of counterfeits (a history is never clean) and of prices that nothing explains, so
that fakes and typing errors in a history count towards none of the innocent stories.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from index.price_stories import (
    SALE_SCALE,
    SALE_SHIFT,
    STORIES,
    USED_SCALE,
    USED_SHIFT,
    PriceSettings,
    Story,
    StoryShares,
    currency_densities,
    fake_density,
    story_densities,
)

FloatArray = NDArray[np.float64]

# The prior's weight, in prices, and what it holds of prices that no innocent story explains. In simulation
# (docs/pricing.md) a quarter of the weight or four times as much move the detection rate by less than a point.
PRIOR_WEIGHT = 300
_FAKES, _UNEXPLAINED = 0.05, 0.02
_UNEXPLAINED_DENSITY = 1 / 20  # uniform over factors of 22,000 either way
# More prices say nothing new of five shares: of longer histories evenly spaced ones are taken, in order of their value.
_MOST_PRICES = 20_000
_MOST_STEPS, _SETTLED = 100, 1e-5
_LEAST = 1e-300
# The stories whose centre moves with the usual price: their shift and extra scale.
_CENTRED = ((Story.USUAL, 0.0, 0.0), (Story.SALE, SALE_SHIFT, SALE_SCALE), (Story.USED, USED_SHIFT, USED_SCALE))


@dataclass(frozen=True)
class LearntStories:
    """Shares among genuine prices, and by how much the usual price lies above the location that was fitted.

    The location is that of all prices, sales and used goods among them, so that plain goods lie above it.
    """

    shares: StoryShares
    offset: float


def learn_stories(away: FloatArray, settings: PriceSettings, prior: StoryShares) -> LearntStories:
    """Learn from what effects leave of log prices, `away` float64 [n]; `settings` are their rows' own.

    Posterior means of the shares under a Dirichlet prior that weighs PRIOR_WEIGHT prices, with one offset common to
    all rows as a t's location (McLachlan & Peel 2000, 3.8 and 7.5). Deterministic, and the same for any order of rows.
    """
    known = np.nan_to_num(settings.currency_shifts)
    order = np.lexsort((*known.T, settings.brand_level, settings.scale, away))
    if len(order) > _MOST_PRICES:
        order = order[np.linspace(0, len(order) - 1, _MOST_PRICES).astype(np.int64)]
    away, settings = away[order], replace(settings.take(order), shares=np.ones((len(order), len(STORIES))))
    innocent = 1.0 - _FAKES - _UNEXPLAINED
    expected = np.array([*(innocent * share for share in prior.values), _FAKES, _UNEXPLAINED])
    shares, offset = expected, 0.0
    for _ in range(_MOST_STEPS):
        weights = _densities(away - offset, settings) * shares
        weights /= weights.sum(axis=1, keepdims=True)
        before, shares = shares, (weights.sum(axis=0) + PRIOR_WEIGHT * expected) / (len(away) + PRIOR_WEIGHT)
        offset += _shift(away - offset, weights, settings)
        if np.abs(shares - before).max() < _SETTLED:
            break
    learnt = shares[: len(STORIES)] / shares[: len(STORIES)].sum()
    return LearntStories(
        StoryShares(**{story.name.lower(): float(p) for story, p in zip(STORIES, learnt, strict=True)}), offset
    )


def _densities(away: FloatArray, settings: PriceSettings) -> FloatArray:
    """Return the density of each price under each story, under a counterfeit and under no story: [n, stories + 2]."""
    found = story_densities(away[:, None], settings)
    columns = [found[story][:, 0] for story in STORIES if story in found]
    columns.append(currency_densities(away, settings).sum(axis=1))
    columns.append(fake_density(away[:, None], settings)[:, 0])
    columns.append(np.full(len(away), _UNEXPLAINED_DENSITY))
    return np.maximum(np.stack(columns, axis=1), _LEAST)


def _shift(away: FloatArray, weights: FloatArray, settings: PriceSettings) -> float:
    """Return the step of the common offset: the mean distance from the stories' centres, weighed as a t's rows are."""
    pull = weight = 0.0
    for story, shift, extra in _CENTRED:
        variance = settings.scale**2 + extra**2
        distance = away - shift
        own = weights[:, STORIES.index(story)] * 9.0 / (8.0 + distance**2 / variance) / variance
        pull += float(np.sum(own * distance))
        weight += float(np.sum(own))
    return pull / weight if weight else 0.0
