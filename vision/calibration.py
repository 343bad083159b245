"""What does a match mean? Its similarity, its verification and its name if that was read, as a probability.

One logistic curve for each kind of reference (Platt, "Probabilistic outputs for support vector machines", 1999), fitted
by `training.calibrate` for one model and kept beside its weights with the model's fingerprint: the same cosine means
different things to different models. No weight is negative, so more of a sign is never less likely.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vision.errors import ModelError

FORMAT_VERSION = 3  # 2 knew nothing of what is read
_REMEDY = "run python -m training.calibrate"
# Shares of photos without a registered brand that a threshold lets through.
FALSE_POSITIVE_RATES = (0.001, 0.01, 0.05)


class Shown(enum.StrEnum):
    """What a reference shows: each is found, and mistaken, in its own way."""

    MARK = "mark"  # drawn: logo, wordmark, pattern
    EXAMPLE = "example"  # the mark on goods, cut out of a photo
    PRODUCT = "product"  # goods, their packaging, a known counterfeit


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What speaks for a match.

    `score` is the brand's, a cosine -1..1; `strength` is `Verification.strength` less what chance explains, 0 when
    nothing was verified; `read`, 0..1, is how surely the brand's name is read in the photo, 0 when it is not. (How far
    the score lies above the next brand's is no sign: with it recall at 1% false positives fell from 0.75 to 0.70 on
    FlickrLogos-27, for a photo without any brand has a first one as well.)
    """

    score: float
    strength: float = 0.0
    read: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """`sigmoid(bias + score * s.score + strength * s.strength + read * s.read)` for signs s.

    `thresholds` gives for each target false-positive rate the least probability that counts as seen.
    """

    bias: float
    score: float
    strength: float
    read: float
    thresholds: Mapping[float, float]

    def __post_init__(self) -> None:
        numbers = (self.bias, self.score, self.strength, self.read, *self.thresholds.values())
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("every number must be finite")
        if self.score <= 0 or self.strength < 0 or self.read < 0:
            raise ValueError(f"the weight of the score must lie above 0 and the others not below: {self}")
        if set(self.thresholds) != set(FALSE_POSITIVE_RATES):
            raise ValueError(f"thresholds must be given for {FALSE_POSITIVE_RATES}, not {sorted(self.thresholds)}")

    def probability(self, signs: Signs) -> float:
        """Turn signs into a probability, 0..1."""
        odds = self.bias + self.score * signs.score + self.strength * signs.strength + self.read * signs.read
        return 1.0 / (1.0 + math.exp(-max(min(odds, 500.0), -500.0)))

    def score_at(self, probability: float) -> float:
        """Give the score that has this probability, between 0 and 1, without any other sign."""
        return (math.log(probability / (1.0 - probability)) - self.bias) / self.score


@dataclass(frozen=True, kw_only=True)
class MatchCalibration:
    """The curves of the model `fingerprint`, one for each of `Shown`."""

    fingerprint: str
    curves: Mapping[Shown, Curve]

    def __post_init__(self) -> None:
        if set(self.curves) != set(Shown):
            raise ValueError(f"curves must be given for {[str(shown) for shown in Shown]}")

    def probability(self, shown: Shown, signs: Signs) -> float:
        """Say how likely the brand is in the photo, 0..1."""
        return self.curves[shown].probability(signs)

    @classmethod
    def uncalibrated(cls, fingerprint: str) -> MatchCalibration:
        """Stand in for a model that has none: only near-identical pictures count as seen, so nothing is overclaimed."""
        thresholds = dict.fromkeys(FALSE_POSITIVE_RATES, 0.5)
        curve = Curve(bias=-95.0, score=100.0, strength=0.0, read=0.0, thresholds=thresholds)
        return cls(fingerprint=fingerprint, curves=dict.fromkeys(Shown, curve))

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        kinds = {str(shown): asdict(curve) for shown, curve in self.curves.items()}
        for curve in kinds.values():
            curve["thresholds"] = {str(rate): least for rate, least in curve["thresholds"].items()}
        document = {"format_version": FORMAT_VERSION, "fingerprint": self.fingerprint, "kinds": kinds}
        path.write_text(json.dumps(document, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> MatchCalibration:
        """Read the calibration at `path`, which must have been made for the model `fingerprint`.

        Raises:
            ModelError: unreadable, of another format or for another model.

        """
        try:
            document = json.loads(path.read_text())
            if document["format_version"] != FORMAT_VERSION:
                raise ModelError(f"{path} must have format_version {FORMAT_VERSION}; {_REMEDY}")
            found = cls(
                fingerprint=str(document["fingerprint"]),
                curves={Shown(kind): _curve(curve) for kind, curve in document["kinds"].items()},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} is no match calibration ({error!r}); {_REMEDY}") from error
        if found.fingerprint != fingerprint:
            raise ModelError(f"{path} was fitted for {found.fingerprint}, not for {fingerprint}; {_REMEDY}")
        return found


def _curve(document: Mapping[str, Any]) -> Curve:
    return Curve(
        bias=float(document["bias"]),
        score=float(document["score"]),
        strength=float(document["strength"]),
        read=float(document["read"]),
        thresholds={float(rate): float(least) for rate, least in document["thresholds"].items()},
    )
