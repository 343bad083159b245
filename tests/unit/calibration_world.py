"""A marketplace whose true probabilities are known: how far off are several ways of calibrating? Figures for tests."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from index.calibration import Calibration, Lesson

DECISIONS = 20_000
BRANDS = 100
AUDIT_SHARE = 0.01
# Above it a listing goes to review, and its label is seen.
REVIEW_FROM = 0.2


@dataclass(frozen=True, kw_only=True)
class World:
    """The truth: log-odds = bias + slope * log-odds of the service + offset of the brand, normal with `brand_sd`."""

    bias: float
    slope: float
    brand_sd: float


def regrets(world: World, *, seed: int, audit_weight: int = 1) -> np.ndarray:
    """Return the excess log loss per 1,000 decisions of static, global Platt, unpooled and our calibration, shape (4,).

    Each way learns from what it sends to review, and from the audits; brands have the traffic of a Zipf law.
    """
    rng = np.random.default_rng(seed)
    brand = np.minimum(rng.zipf(1.3, DECISIONS), BRANDS) - 1
    offset = rng.normal(0.0, world.brand_sd, BRANDS)
    raw = rng.normal(-1.0, 2.0, DECISIONS)
    truth = 1.0 / (1.0 + np.exp(-(world.bias + world.slope * raw + offset[brand])))
    infringing, audited = rng.random(DECISIONS) < truth, rng.random(DECISIONS) < AUDIT_SHARE
    service = 1.0 / (1.0 + np.exp(-raw))
    ways: tuple[_Way, ...] = (_Static(), _Global(), _Unpooled(), _Ours())
    lost = np.zeros(len(ways))
    for number in range(DECISIONS):
        probability, name = float(service[number]), str(brand[number])
        for place, way in enumerate(ways):
            said = way.says(probability, name)
            lost[place] += _excess(float(truth[number]), said)
            if said >= REVIEW_FROM or audited[number]:
                weight = audit_weight if audited[number] and said < REVIEW_FROM else 1
                for _ in range(weight):
                    way.learn(probability, name, infringing=bool(infringing[number]))
    return 1000.0 * lost / DECISIONS


class _Way:
    """A way of calibrating: what it says of a probability, and how it learns."""

    def says(self, probability: float, brand: str) -> float:
        raise NotImplementedError

    def learn(self, probability: float, brand: str, *, infringing: bool) -> None:
        raise NotImplementedError


class _Static(_Way):
    def says(self, probability: float, brand: str) -> float:
        return probability

    def learn(self, probability: float, brand: str, *, infringing: bool) -> None:
        pass


class _Global(_Way):
    def __init__(self) -> None:
        self.state = Calibration()

    def says(self, probability: float, brand: str) -> float:
        return self.state.adjust(probability, "")

    def learn(self, probability: float, brand: str, *, infringing: bool) -> None:
        lesson = Lesson(probability=probability, brand="", infringing=infringing)
        self.state = self.state.after([lesson], number=0)


class _Unpooled(_Way):
    def __init__(self) -> None:
        self.brands: dict[str, _Global] = defaultdict(_Global)

    def says(self, probability: float, brand: str) -> float:
        return self.brands[brand].says(probability, "")

    def learn(self, probability: float, brand: str, *, infringing: bool) -> None:
        self.brands[brand].learn(probability, "", infringing=infringing)


class _Ours(_Global):
    def says(self, probability: float, brand: str) -> float:
        return self.state.adjust(probability, brand)

    def learn(self, probability: float, brand: str, *, infringing: bool) -> None:
        lesson = Lesson(probability=probability, brand=brand, infringing=infringing)
        self.state = self.state.after([lesson], number=0)


def _excess(truth: float, said: float) -> float:
    """Return how much more log loss `said` costs on average than the truth would, in nats."""
    said = min(max(said, 1e-12), 1.0 - 1e-12)
    return truth * math.log(truth / said) + (1.0 - truth) * math.log((1.0 - truth) / (1.0 - said))
