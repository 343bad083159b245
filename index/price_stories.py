"""How are prices spread under each story? The densities of log prices when goods are genuine, and when they are fakes.

`index.price_explanations` weighs them against each other, `index.price_shares` learns how often each is true. Student's
t has closed forms for the degrees of freedom used here, so thousands of prices are weighed at once without tables.
All arrays are float64; `away` [n, points] is log price less the expected log price of the row.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.errors import PriceDataError

FloatArray = NDArray[np.float64]

# Student's t with 8 degrees of freedom: on the development prices as good as 4 or 5 with few prices, better with many.
T_95 = 1.8595  # its 95% quantile: +- this many scales hold the central 90%
_T8_PEAK = math.gamma(4.5) / (math.gamma(4.0) * math.sqrt(8 * math.pi))
_T5_PEAK = math.gamma(3.0) / (math.gamma(2.5) * math.sqrt(5 * math.pi))
OTHER_GOODS_SCALE = 0.8  # the spread of a brand's goods at large; t with 5 degrees of freedom
SALE_SHIFT, SALE_SCALE = -0.40, 0.25
USED_SHIFT, USED_SCALE = -0.70, 0.35
# A sale whose size the seller states is spread around that size: stated figures are rounded, and stated "up to".
_STATED_SALE_SCALE = 0.10
# A stated sale is believed up to the largest that the sale story itself holds (its 95% quantile): 58% off.
LARGEST_SALE = 1.0 - math.exp(SALE_SHIFT - T_95 * SALE_SCALE)
# Of the listings that state a sale so many have one; by judgement, for a counterfeiter can write it too.
_STATED_SALE_TRUE = 0.8
# Counterfeits ask 3% to 35% of the genuine price, uniformly in the logarithm.
FAKE_LOW, FAKE_HIGH = math.log(0.03), math.log(0.35)


class Story(enum.StrEnum):
    """An innocent story of a price."""

    USUAL = "usual"
    SALE = "sale"
    USED = "used"
    OTHER_GOODS = "other goods"
    CURRENCY = "currency"


# The order of columns wherever stories are columns.
STORIES = tuple(Story)


@dataclass(frozen=True, kw_only=True)
class StoryShares:
    """How often each story is true among genuine listings; they add up to 1. The defaults are the prior."""

    usual: float = 0.67
    sale: float = 0.20
    used: float = 0.08
    other_goods: float = 0.04
    currency: float = 0.01

    def __post_init__(self) -> None:
        """Refuse shares that are no distribution; every story must stay possible."""
        if min(self.values) <= 0.0 or not math.isclose(sum(self.values), 1.0, abs_tol=1e-6):
            raise PriceDataError(f"The story shares {self.values} must each be above 0 and add up to 1.")

    @property
    def values(self) -> tuple[float, ...]:
        """The shares in the order of STORIES."""
        return (self.usual, self.sale, self.used, self.other_goods, self.currency)


@dataclass(frozen=True, eq=False, kw_only=True)
class PriceSettings:
    """Where prices stand. All are natural logarithms of money in one currency, or differences of such; one row each.

    `expected`, `scale` (0.1 or more) [n] describe the usual price, `brand_level` [n] the brand's goods at large.
    `currency_shifts` [n, currencies] says by which factor an amount is off that was meant in another currency, nan for
    the row's own. `shares` [n, stories] and `sale_shift`, `sale_scale` [n] are made by `for_declarations`.
    """

    expected: FloatArray
    scale: FloatArray
    brand_level: FloatArray
    currency_shifts: FloatArray
    shares: FloatArray
    sale_shift: FloatArray
    sale_scale: FloatArray

    def take(self, rows: NDArray[np.int64]) -> PriceSettings:
        """Return the settings of some rows."""
        return PriceSettings(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def for_declarations(
    shares: StoryShares, *, used: NDArray[np.bool_], on_sale: NDArray[np.bool_], sale_off: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return `shares`, `sale_shift` and `sale_scale` for what sellers declare.

    Where goods are declared `used` [n] the expected price is that of used ones, so that the story is the usual one.
    Where a sale is declared (`on_sale` [n]) most of the usual story's share moves to the sale's, and where its size is
    stated (`sale_off` [n] as a share of the price, nan when not) the story stands there, up to LARGEST_SALE.
    """
    table = np.tile(np.array(shares.values), (len(used), 1))
    if not (used.any() or on_sale.any()):  # most sellers declare nothing
        return table, np.full(len(used), SALE_SHIFT), np.full(len(used), SALE_SCALE)
    usual, sale, second_hand = (STORIES.index(story) for story in (Story.USUAL, Story.SALE, Story.USED))
    table[:, usual] += np.where(used, table[:, second_hand], 0.0)
    table[used, second_hand] = 0.0
    moved = np.where(on_sale, _STATED_SALE_TRUE * table[:, usual], 0.0)
    table[:, usual] -= moved
    table[:, sale] += moved
    stated = np.isfinite(sale_off)
    believed = np.clip(np.where(stated, sale_off, 0.0), 0.0, LARGEST_SALE)
    return (
        table,
        np.where(stated, np.log1p(-believed), SALE_SHIFT),
        np.where(stated, _STATED_SALE_SCALE, SALE_SCALE),
    )


def story_densities(away: FloatArray, settings: PriceSettings) -> dict[Story, FloatArray]:
    """Return the density of each innocent story but the currency's, shares included: float64 [n, points] each."""
    scale, shares = settings.scale[:, None], settings.shares
    brand_gap = (settings.brand_level - settings.expected)[:, None]
    return {
        Story.USUAL: shares[:, [0]] * usual_density(away, scale),
        Story.SALE: shares[:, [1]]
        * usual_density(away - settings.sale_shift[:, None], np.hypot(scale, settings.sale_scale[:, None])),
        Story.USED: shares[:, [2]] * usual_density(away - USED_SHIFT, np.hypot(scale, USED_SCALE)),
        Story.OTHER_GOODS: shares[:, [3]] * _t5_density(away - brand_gap, OTHER_GOODS_SCALE),
    }


def currency_densities(away: FloatArray, settings: PriceSettings) -> FloatArray:
    """Return the density that each price was meant in each other currency: float64 [n, currencies]."""
    others = np.maximum(np.isfinite(settings.currency_shifts).sum(axis=1), 1)
    shifts = np.where(np.isfinite(settings.currency_shifts), settings.currency_shifts, np.inf)
    densities = usual_density(away[:, None] - shifts, settings.scale[:, None])
    share = settings.shares[:, STORIES.index(Story.CURRENCY)] / others
    return np.asarray(densities * share[:, None], dtype=np.float64)


def usual_density(away: FloatArray, scale: FloatArray) -> FloatArray:
    """Return the density of Student's t with 8 degrees of freedom: constant (1 + z^2/8)^-4.5 / scale."""
    spread = 1.0 + (away / scale) ** 2 / 8.0
    squared = spread * spread
    return np.asarray(_T8_PEAK / (scale * squared * squared * np.sqrt(spread)), dtype=np.float64)


def fake_density(away: FloatArray, settings: PriceSettings) -> FloatArray:
    """Return the density of counterfeits' prices, float64 [n, points]: the uniform convolved with the t.

    That is the difference of the t's distribution function at both ends of the uniform, over its length. In floats it
    is exact to 1e-4 of itself up to 90 scales away, farther than `index.price_explanations` asks.
    """
    scale = settings.scale[:, None]
    ends = _t8_below((away - FAKE_LOW) / scale) - _t8_below((away - FAKE_HIGH) / scale)
    return np.asarray(ends / (FAKE_HIGH - FAKE_LOW), dtype=np.float64)


def _t8_below(z: FloatArray) -> FloatArray:
    """Return the distribution function of Student's t with 8 degrees of freedom (Abramowitz & Stegun 26.7.4)."""
    squared = z * z
    rest = 8.0 / (squared + 8.0)
    sine = z / np.sqrt(squared + 8.0)
    return np.asarray(0.5 + 0.5 * sine * (1.0 + rest * (0.5 + rest * (0.375 + rest * 0.3125))), dtype=np.float64)


def _t5_density(away: FloatArray, scale: float) -> FloatArray:
    spread = 1.0 + (away / scale) ** 2 / 5.0
    return np.asarray(_T5_PEAK / (scale * spread * spread * spread), dtype=np.float64)
