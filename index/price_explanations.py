"""Which story explains a low price best? Innocent ones (a sale, used goods, ...) are weighed against a counterfeit.

`index.pricing` asks for many prices at once, and tells the moderator. A genuine price is seldom just noise around the
usual one. The score is the log-likelihood ratio of "a counterfeit's price" against the mixture of all innocent stories,
so a story that fits takes suspicion away and can be named. The shapes stand in `index.price_stories`; how often each
story is true is learnt from the price history (`index.price_shares`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.price_stories import (
    STORIES,
    T_95,
    PriceSettings,
    Story,
    currency_densities,
    fake_density,
    story_densities,
)

FloatArray = NDArray[np.float64]

# The score is made monotone on this lattice of log prices below the expected one, and read between its points; the
# last point is 1/22,000 of the expected price, and lower prices count as that.
_STEP, _LATTICE_POINTS = 0.05, 200
_DEEPEST = _STEP * (_LATTICE_POINTS - 1)
# Rows of one pass: sorted by depth, so that a pass needs no more lattice than its lowest price.
_ROWS = 512
# A density below this is none: keeps logarithms finite.
_LEAST = 1e-300

_CURRENCY = STORIES.index(Story.CURRENCY)
_USUAL = STORIES.index(Story.USUAL)


@dataclass(frozen=True, eq=False)
class Weighing:
    """Per price the log-likelihood ratio (larger = more suspicious) and the best innocent story.

    `scores` float64 [n]; `stories` int64 [n] are places in STORIES; `meant_in` int64 [n] names the likeliest other
    currency, a column of the settings' `currency_shifts`. The usual spread is a story only within the central 90% of
    usual prices.
    """

    scores: FloatArray
    stories: NDArray[np.int64]
    meant_in: NDArray[np.int64]


def weigh(log_prices: FloatArray, settings: PriceSettings) -> Weighing:
    """Weigh the stories of `log_prices` float64 [n].

    But for the currency story the score never falls when the price does: it is the largest ratio at any price between
    the asked and the expected one, because a fake for 1% of the price is no less a fake than one for 3%. Prices above
    the expected one are as unsuspicious as the expected one.
    """
    away = log_prices - settings.expected
    asked = np.clip(away, -_DEEPEST, 0.0)
    currencies = currency_densities(away, settings)
    at_most = currency_densities(np.minimum(away, 0.0), settings) if (away > 0.0).any() else currencies
    mistaken = _log(at_most.sum(axis=1))
    against_currency = mistaken - _log(fake_density(asked[:, None], settings)[:, 0])
    scores = -np.logaddexp(-_ordinary_scores(-asked, settings), against_currency)
    return Weighing(scores, _best_stories(away, currencies.max(axis=1), settings), currencies.argmax(axis=1))


def _ordinary_scores(depths: FloatArray, settings: PriceSettings) -> FloatArray:
    """Return the log-likelihood ratios without the currency story, made monotone, `depths` [n] below the expected."""
    scores = np.empty_like(depths)
    order = np.argsort(depths, kind="stable")
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        places = depths[rows] / _STEP
        points = min(int(places[-1]) + 2, _LATTICE_POINTS)
        grid = np.broadcast_to(-_STEP * np.arange(points), (len(rows), points))
        chosen = settings.take(rows)
        innocent = np.add.reduce(list(story_densities(grid, chosen).values()))
        ratios = np.maximum.accumulate(_log(fake_density(grid, chosen)) - _log(innocent), axis=1)
        below = np.minimum(places.astype(np.int64), points - 2)
        first, second = (np.take_along_axis(ratios, (below + more)[:, None], axis=1)[:, 0] for more in (0, 1))
        scores[rows] = first + (places - below) * (second - first)
    return scores


def _best_stories(away: FloatArray, currency: FloatArray, settings: PriceSettings) -> NDArray[np.int64]:
    """Return the likeliest innocent story of each price; a price above the expected one is usual, or a mistake."""
    found = story_densities(away[:, None], settings)
    table = np.full((len(away), len(STORIES)), -1.0)
    for story, densities in found.items():
        table[:, STORIES.index(story)] = np.where(away <= 0.0, densities[:, 0], -1.0)
    table[:, _USUAL] = np.where(np.abs(away) <= T_95 * settings.scale, found[Story.USUAL][:, 0], 0.0)
    table[:, _CURRENCY] = currency
    return np.asarray(table.argmax(axis=1), dtype=np.int64)


def _log(densities: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(densities, _LEAST)), dtype=np.float64)
