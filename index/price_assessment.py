"""How does a price stand? What `index.pricing` answers: the figures, and when they are asked for, money and a sentence.

A batch may hold a million prices of which a few are looked at, so amounts and words are made when they are read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from index.money import Money
from index.price_fit import GroupEffect
from index.price_query import LevelCount
from index.price_rows import LEVELS
from index.price_sentences import Finding, explain
from index.price_stories import Story


@dataclass(frozen=True, kw_only=True)
class PriceAssessment:
    """How a price stands. Money is in the query's `currency`, per piece.

    `effects` are those of the levels of goods like these; usual prices have the logarithms `centre` +- `reach`, the
    central 90%.
    """

    finding: Finding
    effects: tuple[GroupEffect, ...]
    centre: float
    reach: float
    currency: str

    @cached_property
    def expected(self) -> Money:
        """What such goods usually cost."""
        return _money(self.centre, self.currency)

    @cached_property
    def low(self) -> Money:
        """The lower end of the central 90% of usual prices."""
        return _money(self.centre - self.reach, self.currency)

    @cached_property
    def high(self) -> Money:
        """The upper end of the central 90% of usual prices."""
        return _money(self.centre + self.reach, self.currency)

    @cached_property
    def levels(self) -> tuple[LevelCount, ...]:
        """How many prices each level rests on, from the general to the particular."""
        return tuple(
            LevelCount(name, effect.observations, effect.band_weight)
            for name, effect in zip(LEVELS, self.effects, strict=True)
        )

    @property
    def ratio(self) -> float:
        """The price / the expected price."""
        return self.finding.ratio

    @property
    def score(self) -> float:
        """The log-likelihood ratio of a counterfeit's price to an innocent one's, above 0 where the former is likelier.

        Never above 0 on fewer than MINIMUM_OBSERVATIONS prices.
        """
        return self.finding.score

    @property
    def basis(self) -> str:
        """The most particular level with enough prices."""
        return self.finding.basis.name

    @property
    def observations(self) -> int:
        """The prices on that level."""
        return self.finding.basis.observations

    @property
    def story(self) -> Story:
        """The innocent story that fits best."""
        return self.finding.story

    @property
    def meant_in(self) -> str:
        """The currency in which the amount was meant, if that is the story, else ""."""
        return self.finding.meant_in

    @cached_property
    def explanation(self) -> str:
        """A sentence for the moderator."""
        return explain(self.finding)


def _money(log_amount: float, currency: str) -> Money:
    """Return the amount to the cent, or to four digits where a cent is much."""
    amount = math.exp(log_amount)
    return Money(Decimal(repr(round(amount, 2) if amount >= 1 else float(f"{amount:.4g}"))), currency)
