"""What do people's verdicts say of a probability? A Bayesian logistic regression per brand, learnt verdict by verdict.

logit p' = bias + slope * logit p + offset of the brand. The prior says that the service is right (bias 0, slope 1, no
offset); offsets are held close to nothing, so a brand with few verdicts follows all others. Each verdict moves the
means to the posterior's mode and narrows the weights' own variances (diagonal Laplace: Chapelle and Li, 2011,
algorithm 3); every 200 verdicts a little of what is known is forgotten, so that it follows a market that changes.

Reviews are no random sample: rules choose them. Twenty verdicts of one kind would turn the slope round, so that clean
listings became suspects and copies of known counterfeits innocent. So more evidence never means less (the slope stays
above 0), and verdicts never move log-odds by more than MOST_MOVED, however many agree.

Everything here is a pure function: the state after a verdict depends on the prior and the verdicts alone, to the last
bit. `index.feedback` says which verdicts those are; `serving.calibrating` keeps the state that is in use.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from index.errors import StoreError

# Names the procedure: its formulas and constants. Another name for any change of them, for old decisions must still be
# recomputed, and certificates hold for one procedure.
PROCEDURE = "online-1"

# Precisions (1 / variance) of the priors: sd 1.0 of bias and slope, 0.3 of a brand's offset.
_PRIOR = 1.0
_BRAND_PRIOR = 1.0 / 0.3**2
_FORGET_EVERY = 200
_KEEP = 0.97
# Probabilities beyond these log-odds (1 in 22,000) are less certain than they claim, and one such verdict would swamp
# the slope.
_LIMIT = 10.0
# The flattest slope that is learnt, by judgement: with less, evidence would hardly tell listings apart.
_FLATTEST = 0.3
MOST_MOVED = 3.0
"""How far verdicts move a listing's log-odds at most: odds times or by 20. Nothing known, 1 in 100, becomes 1 in 6."""

# Newton's steps from a safe start; 8 reach the last bits for every verdict within the limits.
_STEPS = 8


@dataclass(frozen=True)
class Weight:
    """What is known of one number: its mean and its precision, 1 / variance."""

    mean: float
    precision: float


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """One verdict to learn from: the service's uncalibrated probability, the brand at stake, what a person said."""

    probability: float
    brand: str
    infringing: bool


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The regression after `learnt` lessons, the last of the verdicts up to `number`. Immutable."""

    number: int = 0
    learnt: int = 0
    bias: Weight = Weight(0.0, _PRIOR)
    slope: Weight = Weight(1.0, _PRIOR)
    brands: Mapping[str, Weight] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Name procedure, verdict and content: "online-1:1234:5f0c2b7a91de"."""
        return f"{PROCEDURE}:{self.number}:{hashlib.sha256(self.to_bytes()).hexdigest()[:12]}"

    def adjust(self, probability: float, brand: str) -> float:
        """Return the calibrated probability, 0..1, of one that the evidence gave."""
        offset = self.brands[brand].mean if brand in self.brands else 0.0
        if self.learnt == 0:
            return probability
        evidence = log_odds(probability)
        learnt = self.bias.mean + self.slope.mean * evidence + offset
        return sigmoid(evidence + min(max(learnt - evidence, -MOST_MOVED), MOST_MOVED))

    def after(self, lessons: Iterable[Lesson], *, number: int) -> Calibration:
        """Learn more; `number` is the last verdict's that is taken into account."""
        step = _Step(self)
        for lesson in lessons:
            step.learn(lesson)
        return Calibration(number=number, learnt=step.learnt, bias=step.bias, slope=step.slope, brands=step.brands)

    def to_bytes(self) -> bytes:
        """Write the state: JSON whose floats come back bit for bit."""
        document = {
            "procedure": PROCEDURE,
            "number": self.number,
            "learnt": self.learnt,
            "bias": [self.bias.mean, self.bias.precision],
            "slope": [self.slope.mean, self.slope.precision],
            "brands": {name: [weight.mean, weight.precision] for name, weight in sorted(self.brands.items())},
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Calibration:
        """Read a state that `to_bytes` wrote. Raises StoreError when it is another procedure's or damaged."""
        try:
            document = json.loads(data)
            if document["procedure"] != PROCEDURE:
                raise StoreError(f"The calibration is of the procedure {document['procedure']!r}, not {PROCEDURE!r}.")
            return cls(
                number=document["number"],
                learnt=document["learnt"],
                bias=Weight(*document["bias"]),
                slope=Weight(*document["slope"]),
                brands={name: Weight(*weight) for name, weight in document["brands"].items()},
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"A calibration cannot be read: {error}.") from error


class _Step:
    """A calibration in the making: what `Calibration.after` changes, lesson by lesson, before it is frozen."""

    def __init__(self, start: Calibration) -> None:
        self.learnt = start.learnt
        self.bias, self.slope, self.brands = start.bias, start.slope, dict(start.brands)

    def learn(self, lesson: Lesson) -> None:
        """Move to the posterior's mode for one verdict, and narrow the weights by its curvature there."""
        x = log_odds(lesson.probability)
        offset = self.brands.get(lesson.brand, Weight(0.0, _BRAND_PRIOR)) if lesson.brand else Weight(0.0, math.inf)
        prior = self.bias.mean + self.slope.mean * x + offset.mean
        spread = 1.0 / self.bias.precision + x * x / self.slope.precision + 1.0 / offset.precision
        # With one verdict the mode lies on a line: eta = prior + spread * (y - sigmoid(eta)), which has one root.
        eta = _mode(prior, spread, float(lesson.infringing))
        p = sigmoid(eta)
        pull, curvature = float(lesson.infringing) - p, p * (1.0 - p)
        self.bias = _moved(self.bias, 1.0, pull, curvature)
        slope = _moved(self.slope, x, pull, curvature)
        self.slope = Weight(max(slope.mean, _FLATTEST), slope.precision)
        if lesson.brand:
            self.brands[lesson.brand] = _moved(offset, 1.0, pull, curvature)
        self.learnt += 1
        if self.learnt % _FORGET_EVERY == 0:
            self._forget()

    def _forget(self) -> None:
        self.bias, self.slope = _faded(self.bias, _PRIOR), _faded(self.slope, _PRIOR)
        self.brands = {name: _faded(weight, _BRAND_PRIOR) for name, weight in self.brands.items()}


def log_odds(probability: float) -> float:
    """Return the log-odds, kept within what a probability can be trusted to say."""
    if probability <= 0.0 or probability >= 1.0:
        return -_LIMIT if probability <= 0.0 else _LIMIT
    return min(max(math.log(probability) - math.log1p(-probability), -_LIMIT), _LIMIT)


def sigmoid(log_odds: float) -> float:
    """Return the probability of log-odds."""
    if log_odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    grown = math.exp(log_odds)
    return grown / (1.0 + grown)


def _mode(prior: float, spread: float, outcome: float) -> float:
    """Solve eta = prior + spread * (outcome - sigmoid(eta)) by Newton's steps, kept between the two ends it lies in."""
    low, high = sorted((prior, prior + spread * (2.0 * outcome - 1.0)))
    eta = prior
    for _ in range(_STEPS):
        p = sigmoid(eta)
        error = eta - prior - spread * (outcome - p)
        low, high = (eta, high) if error < 0.0 else (low, eta)
        step = eta - error / (1.0 + spread * p * (1.0 - p))
        eta = step if low <= step <= high else 0.5 * (low + high)
    return eta


def _moved(weight: Weight, x: float, pull: float, curvature: float) -> Weight:
    return Weight(weight.mean + pull * x / weight.precision, weight.precision + x * x * curvature)


def _faded(weight: Weight, prior: float) -> Weight:
    return Weight(weight.mean, _KEEP * weight.precision + (1.0 - _KEEP) * prior)
