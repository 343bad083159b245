"""Which story explains a low price best? Innocent ones (a sale, used goods, ...) are weighed against a counterfeit.

`index.pricing` asks, and tells the moderator. A genuine price is seldom just noise around the usual one. The score is
the log-likelihood ratio of "a counterfeit's price" against the mixture of all innocent stories, so a story that fits
takes suspicion away and can be named. Shapes and shares were measured on 11,341 real prices with injected fakes: with
the mixture 65% of the fakes are found at 0.5% false positives, without it 40-56%; halving or doubling a share costs at
most 1.5 points.
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
_FREEDOM = 8
T_95 = 1.8595  # its 95% quantile: +- this many scales hold the central 90%
_OTHER_GOODS_FREEDOM = 5
_OTHER_GOODS_SCALE = 0.8
_SALE_SHIFT, _SALE_SCALE = -0.40, 0.25
_USED_SHIFT, _USED_SCALE = -0.70, 0.35
# Counterfeits ask 3% to 35% of the genuine price, uniformly in the logarithm.
_FAKE_LOW, _FAKE_HIGH = math.log(0.03), math.log(0.35)
# The uniform is convolved with the t by quadrature: 32 nodes 0.08 apart are smooth from a scale of 0.1 on.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_FAKE_SHIFTS = 0.5 * (_FAKE_LOW + _FAKE_HIGH) + 0.5 * (_FAKE_HIGH - _FAKE_LOW) * _NODES
# The score is made monotone on this lattice of log prices below the expected one, and read between its points; the
# last point is 1/22,000 of the expected price.
_STEP, _LATTICE_POINTS = 0.05, 200


class Story(enum.StrEnum):
    """An innocent story of a price, or none."""

    USUAL = "usual"
    SALE = "sale"
    USED = "used"
    OTHER_GOODS = "other goods"
    CURRENCY = "currency"


@dataclass(frozen=True, kw_only=True)
class StoryShares:
    """How often each story is true among genuine listings; they add up to 1. Learn them from cleared listings."""

    usual: float = 0.67
    sale: float = 0.20
    used: float = 0.08
    other_goods: float = 0.04
    currency: float = 0.01

    def __post_init__(self) -> None:
        """Refuse shares that are no distribution; every story must stay possible."""
        shares = (self.usual, self.sale, self.used, self.other_goods, self.currency)
        if min(shares) <= 0.0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6):
            raise PriceDataError(f"The story shares {shares} must each be above 0 and add up to 1.")


@dataclass(frozen=True, kw_only=True)
class PriceSetting:
    """Where a price stands. All are natural logarithms of money in one currency, or differences of such.

    `expected` and `scale` (above 0) describe the usual price, `brand_level` the brand's goods at large.
    `currency_shifts` holds the currencies in which the amount may have been meant, each with the logarithm of the
    factor by which it is then off.
    """

    expected: float
    scale: float
    brand_level: float
    currency_shifts: tuple[tuple[str, float], ...]
    shares: StoryShares
    declared_used: bool


@dataclass(frozen=True)
class Weighing:
    """The log-likelihood ratio (larger = more suspicious) and the best innocent story.

    The usual spread is a story only within the central 90% of usual prices. `meant_in` is the likeliest currency if it
    is the currency story, else "".
    """

    score: float
    story: Story
    meant_in: str = ""


def weigh(log_price: float, setting: PriceSetting) -> Weighing:
    """Weigh the stories of one price.

    But for the currency story the score never falls when the price does: it is the largest ratio at any price between
    the asked and the expected one, because a fake for 1% of the price is no less a fake than one for 3%. Prices above
    the expected one are as unsuspicious as the expected one.
    """
    asked = min(log_price, setting.expected)
    at_asked = np.array([asked])
    currency = _currency(asked, setting)
    against_currency = float(np.logaddexp.reduce(currency) - _fake(at_asked, setting)[0])
    score = -float(np.logaddexp(-_ordinary_score(asked, setting), against_currency))
    densities = {story: float(values[0]) for story, values in _stories(at_asked, setting).items()}
    densities[Story.CURRENCY] = float(np.max(currency))
    if asked < setting.expected - T_95 * setting.scale:
        del densities[Story.USUAL]
    story = max(densities, key=lambda story: densities[story])
    meant_in = setting.currency_shifts[int(np.argmax(currency))][0] if story is Story.CURRENCY else ""
    return Weighing(score, story, meant_in)


def _ordinary_score(asked: float, setting: PriceSetting) -> float:
    """Return the log-likelihood ratio without the currency story, made monotone."""
    below = (setting.expected - asked) / _STEP
    lattice = np.arange(min(int(below) + 2, _LATTICE_POINTS), dtype=np.float64)
    prices = setting.expected - _STEP * lattice
    innocent = np.logaddexp.reduce(list(_stories(prices, setting).values()))
    return float(np.interp(below, lattice, np.maximum.accumulate(_fake(prices, setting) - innocent)))


def _stories(grid: FloatArray, setting: PriceSetting) -> dict[Story, FloatArray]:
    """Return the log density of each innocent story but the currency's on `grid` float64 [n], shares included."""
    away, scale, shares = grid - setting.expected, setting.scale, setting.shares
    usual = shares.usual + (shares.used if setting.declared_used else 0.0)
    stories = {
        Story.USUAL: math.log(usual) + _log_t(away, scale),
        Story.SALE: math.log(shares.sale) + _log_t(away - _SALE_SHIFT, math.hypot(scale, _SALE_SCALE)),
        Story.OTHER_GOODS: math.log(shares.other_goods)
        + _log_t(grid - setting.brand_level, _OTHER_GOODS_SCALE, _OTHER_GOODS_FREEDOM),
    }
    if not setting.declared_used:
        stories[Story.USED] = math.log(shares.used) + _log_t(away - _USED_SHIFT, math.hypot(scale, _USED_SCALE))
    return stories


def _currency(log_price: float, setting: PriceSetting) -> FloatArray:
    """Return the log density that the price was meant in each other currency: float64 [currencies], or [-inf]."""
    if not setting.currency_shifts:
        return np.array([-np.inf])
    shifts = np.array([shift for _, shift in setting.currency_shifts])
    share = math.log(setting.shares.currency / len(shifts))
    return share + _log_t(log_price - setting.expected - shifts, setting.scale)


def _fake(grid: FloatArray, setting: PriceSetting) -> FloatArray:
    """Return the log density of counterfeits' prices on `grid` float64 [n]: the uniform convolved with the t."""
    away = grid[:, None] - setting.expected - _FAKE_SHIFTS
    return np.asarray(np.logaddexp.reduce(_log_t(away, setting.scale) + np.log(0.5 * _WEIGHTS), axis=1))


def _log_t(away: FloatArray, scale: float, freedom: int = _FREEDOM) -> FloatArray:
    constant = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return constant - math.log(scale) - (freedom + 1) / 2 * np.log1p((away / scale) ** 2 / freedom)
