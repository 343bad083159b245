"""How likely is this listing counterfeit, all evidence together? A weighed sum of features, and trees where it errs.

    log-odds = slope * (bias + sum of weight x feature + trees(features)) + shift

The weights speak for each feature alone; the trees, monotone and only where enough labels have shown that they help,
for what features say together (a low price means something else where the claimed brand is not seen). Slope and shift
calibrate, fitted out of fold. Each feature's contribution is exact and additive: what a listing of which nothing is
known would get (`Fused.prior`) and the contributions sum to the log-odds. The policy alone decides what follows.

`PRIOR` is what ships: weights set by hand, no trees. `touchstone fusion fit` writes another, `serving.fusion_file`
reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from serving.domain import Reason
from serving.facts import Facts
from serving.features import FEATURES, measure
from serving.trees import Trees

# Contributions under this many log-odds are not worth a line on a moderator's screen.
_WORTH_SAYING = 0.1


@dataclass(frozen=True, kw_only=True)
class Fused:
    """What all evidence says together, by the model `version`.

    `prior` is the log-odds of a listing of which nothing is known; with the weights of `weighed`, one for every
    feature, it sums to `log_odds`.
    """

    prior: float
    weighed: tuple[Reason, ...]
    version: str

    @property
    def log_odds(self) -> float:
        """The logarithm of the odds that the listing is counterfeit."""
        return self.prior + sum(reason.weight for reason in self.weighed)

    @property
    def probability(self) -> float:
        """The probability that the listing is counterfeit, 0..1."""
        # Beyond 700 e^x leaves the range of a double; min and max keep a figure that is none, for a person must look.
        return 1.0 / (1.0 + math.exp(min(max(-self.log_odds, -700.0), 700.0)))

    @property
    def contributions(self) -> tuple[Reason, ...]:
        """The contributions worth saying, strongest first."""
        return worth_saying(self.weighed)


def worth_saying(contributions: Iterable[Reason]) -> tuple[Reason, ...]:
    """Leave out what hardly weighs, and put the strongest first."""
    said = (reason for reason in contributions if abs(reason.weight) >= _WORTH_SAYING)
    return tuple(sorted(said, key=lambda reason: -abs(reason.weight)))


class Fusion(Protocol):
    """What turns facts into a probability with reasons."""

    def fuse(self, facts: Facts) -> Fused:
        """Combine the evidence of one listing."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Log-odds as the model has them, to log-odds as they come true: slope * x + shift (Platt, 1999)."""

    slope: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.slope) and math.isfinite(self.shift) and self.slope > 0):
            raise ValueError(f"the slope must lie above 0 and both must be finite: {self}")


UNCALIBRATED = Calibration()


@dataclass(frozen=True, kw_only=True)
class FusionModel:
    """Weights by feature code, trees or none, calibration. Immutable; `version` names it in every decision."""

    version: str
    bias: float
    weights: tuple[float, ...]
    trees: Trees | None = None
    calibration: Calibration = UNCALIBRATED

    def __post_init__(self) -> None:
        if len(self.weights) != len(FEATURES) or not all(map(math.isfinite, (self.bias, *self.weights))):
            raise ValueError(f"a bias and {len(FEATURES)} weights are needed, all finite")
        for feature, weight in zip(FEATURES, self.weights, strict=True):
            if weight * feature.direction < 0:
                raise ValueError(f"{feature.code} weighs {weight}, against its direction {feature.direction:+d}")
        if self.trees is not None and self.trees.lower.shape[1] != len(FEATURES):
            raise ValueError(f"the trees look at {self.trees.lower.shape[1]} features; there are {len(FEATURES)}")

    def fuse(self, facts: Facts) -> Fused:
        """Combine the evidence of one listing."""
        reasons = (
            Reason(feature.code, feature.text, self.calibration.slope * share)
            for feature, share in zip(FEATURES, self._shares(measure(facts)), strict=True)
        )
        return Fused(prior=self._prior, weighed=tuple(reasons), version=self.version)

    def _shares(self, numbers: Sequence[float]) -> list[float]:
        """Return what each feature adds before calibration."""
        linear = [weight * number for weight, number in zip(self.weights, numbers, strict=True)]
        if self.trees is None:
            return linear
        return [one + other for one, other in zip(linear, self.trees.contributions(numbers).tolist(), strict=True)]

    @cached_property
    def _prior(self) -> float:
        baseline = 0.0 if self.trees is None else self.trees.baseline
        return self.calibration.slope * (self.bias + baseline) + self.calibration.shift


def explain(rule_reasons: tuple[Reason, ...], contributions: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Merge what the policy said with what the evidence weighs: rules first, then the remaining contributions.

    A rule's reason takes the weight of the contribution with its code, so nothing is said twice.
    """
    weights = {reason.code: reason.weight for reason in contributions}
    merged = [replace(reason, weight=weights.pop(reason.code, 0.0)) for reason in rule_reasons]
    merged += [reason for reason in contributions if reason.code in weights]
    return tuple(merged) or (Reason("NO_FINDINGS", "Nothing on record speaks against this listing"),)
