"""What does a similarity mean? The cosine of a region and a reference, as the probability that the brand is there.

A logistic curve (Platt, "Probabilistic outputs for support vector machines", 1999), fitted by
`training.fit_similarity` for one model and kept beside its weights with the model's fingerprint: the same cosine means
different things to different models.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

from vision.errors import ModelError

FORMAT_VERSION = 1
_REMEDY = "run python -m training.fit_similarity"


@dataclass(frozen=True, kw_only=True)
class SimilarityCalibration:
    """`probability(s) = sigmoid((s - midpoint) / scale)` for the model `fingerprint`."""

    fingerprint: str
    midpoint: float
    scale: float

    def probability(self, similarity: float) -> float:
        """Turn a cosine, -1..1, into a probability, 0..1; rises with the cosine."""
        return 1.0 / (1.0 + math.exp(-max(min((similarity - self.midpoint) / self.scale, 500.0), -500.0)))

    @classmethod
    def uncalibrated(cls, fingerprint: str) -> SimilarityCalibration:
        """Stand in for a model that has none: only near-identical pictures count as seen, so nothing is overclaimed."""
        return cls(fingerprint=fingerprint, midpoint=0.95, scale=0.01)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        document = {"format_version": FORMAT_VERSION, "fingerprint": self.fingerprint}
        path.write_text(json.dumps(document | {"midpoint": self.midpoint, "scale": self.scale}, indent=2) + "\n")

    @classmethod
    def load(cls, path: Path, *, fingerprint: str) -> SimilarityCalibration:
        """Read the calibration at `path`, which must have been made for the model `fingerprint`.

        Raises:
            ModelError: unreadable, of another format or for another model.

        """
        try:
            document = json.loads(path.read_text())
            found = cls(
                fingerprint=str(document["fingerprint"]),
                midpoint=float(document["midpoint"]),
                scale=float(document["scale"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} is no similarity calibration ({error!r}); {_REMEDY}") from error
        if document.get("format_version") != FORMAT_VERSION:
            raise ModelError(f"{path} must have format_version {FORMAT_VERSION}; {_REMEDY}")
        if not (math.isfinite(found.midpoint) and math.isfinite(found.scale) and found.scale > 0):
            raise ModelError(f"{path} must have a finite midpoint and a finite scale above 0; {_REMEDY}")
        if found.fingerprint != fingerprint:
            raise ModelError(f"{path} was fitted for {found.fingerprint}, not for {fingerprint}; {_REMEDY}")
        return found
