"""Which numbers does fusion weigh? Each feature turns the facts of one listing into one documented number.

A feature is 0 where nothing is known, and more of it never speaks the other way: `Feature.direction` is the sign of its
prior weight, and every fitted model keeps to it. The weights are set by hand, not learned: no labelled decisions exist
before a marketplace runs this. They are ordered by what the evidence can show by itself (a copy of a known fake, then
replica wording, then price, then the rest); `touchstone fusion fit` starts from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from serving.facts import Facts

# Prior odds of about 1:100 that a listing with nothing said about it is counterfeit.
BIAS = -4.6


@dataclass(frozen=True)
class Feature:
    """One documented number: `value(facts)` times `weight` is what it adds to the log-odds before any fitting."""

    code: str
    text: str
    weight: float
    value: Callable[[Facts], float]

    @property
    def direction(self) -> Literal[1, -1]:
        """Whether more of it makes a counterfeit likelier (+1) or less likely (-1), in every model."""
        return 1 if self.weight > 0 else -1


def _number(facts: Facts, name: str) -> float:
    value = facts.values[name]
    assert isinstance(value, bool | int | float)
    return float(value)


def _flag(name: str) -> Callable[[Facts], float]:
    return lambda facts: _number(facts, name)


def _count(name: str) -> Callable[[Facts], float]:
    return lambda facts: math.log1p(max(_number(facts, name), 0.0))


def _share(name: str) -> Callable[[Facts], float]:
    return lambda facts: min(max(_number(facts, name), 0.0), 1.0)


def _low_price(facts: Facts) -> float:
    # A price speaks of counterfeiting only where a brand is at stake. The score is itself a log-likelihood ratio;
    # beyond 6 the model of prices is less certain than it claims.
    return min(max(_number(facts, "price.score"), 0.0), 6.0) * _number(facts, "brand.known")


def _usual_price(facts: Facts) -> float:
    # Fakes are sold at genuine prices too, so a usual price excuses far less than a low one accuses.
    return min(max(-_number(facts, "price.score"), 0.0), 2.0) * _number(facts, "brand.known")


def _authorised(facts: Facts) -> float:
    # The list is the claimed brand's; it vouches for nothing when another brand is shown.
    return _number(facts, "seller.authorised") * (1.0 - _number(facts, "text.claim_mismatch"))


def _closeness(facts: Facts) -> float:
    # 1 for an exact copy, falling to 0 at 64 of 256 bits, where PDQ hashes of unrelated photos begin to appear; a crop
    # that its details give away shows the same goods, but not whatever was cut off.
    by_details = 0.5 * (_number(facts, "duplicate.known_counterfeit_details") > 0)
    return max(by_details, 1.0 - _number(facts, "duplicate.known_counterfeit_distance") / 64)


FEATURES: tuple[Feature, ...] = (
    Feature("COPY_OF_KNOWN_COUNTERFEIT", "A photo copies a known counterfeit", 9.0, _closeness),
    Feature("COPY_OF_REMOVED_LISTING", "A photo is one of a removed listing", 3.0, _flag("duplicate.removed_listing")),
    Feature("REPLICA_WORDING", "The words speak of replicas", 3.5, _flag("text.replica_wording")),
    Feature("BRAND_LOOK_ALIKE", "A word imitates a brand's name", 2.0, _flag("text.look_alike")),
    Feature("OFF_PLATFORM_CONTACT", "Buyers are led off the platform", 1.0, _flag("text.off_platform_contact")),
    Feature("PRICE_FAR_BELOW_USUAL", "The price is far below what this brand usually costs", 0.8, _low_price),
    Feature("PRICE_USUAL", "The price is what this brand usually costs", -0.5, _usual_price),
    Feature("BRAND_SEEN", "The brand's mark or product is seen in a photo", 0.7, _flag("visual.probability")),
    Feature("SELLER_AUTHORISED", "The brand lists this seller as authorised", -4.0, _authorised),
    Feature("SELLER_NOT_AUTHORISED", "The brand does not list this seller", 1.2, _flag("seller.unauthorised")),
    Feature("SELLER_VERIFIED", "The seller's identity is verified", -0.7, _flag("seller.verified")),
    Feature("SELLER_NEW", "The seller is new, or not on record", 0.5, _flag("seller.new")),
    Feature("SELLER_STRIKES", "Strikes of this seller on record", 0.5, _count("seller.strikes")),
    Feature("SELLER_STRIKE_RATE", "Many listings of this seller are strikes", 4.0, _share("seller.strike_rate_low")),
    Feature("SELLER_RING", "Sellers who share photos and titles have strikes", 3.0, _share("seller.ring_rate")),
    Feature("SELLER_REPORTS", "Buyers rightly report what this seller sells", 20.0, _share("seller.reports_per_sale")),
    Feature("BRAND_CLAIM_MISMATCH", "The claimed brand is not the one shown", 1.2, _flag("text.claim_mismatch")),
    Feature("CATEGORY_MISMATCH", "Declared and predicted category contradict", 0.5, _flag("category.mismatch")),
    Feature("REPORTED_BY_BUYERS", "Reports by buyers", 1.0, _count("reports.weight")),
)


def measure(facts: Facts) -> list[float]:
    """Return the features' numbers for one listing, in the order of `FEATURES`."""
    return [feature.value(facts) for feature in FEATURES]
