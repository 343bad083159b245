"""How many labels does which fusion model need, and how should it be calibrated? The figures of docs/fusion.md.

    python -m training.measure_fusion            # several minutes

Models are fitted on simulated listings (`training.decision_world`) and measured on 60,000 others; figures are means
over seeds of what they are fitted on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from serving.features import FEATURES, measure
from serving.fusion import FusionModel
from serving.fusion_file import PRIOR
from training.decision_world import simulate
from training.fit_fusion import BOOSTED, LOGISTIC, FusionFigures, figures_of, fit_fusion
from training.fusion_terms import fit_calibration, sigmoid
from training.labelled_facts import LabelledFacts

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_TESTED, _TEST_SEED = 60_000, 1_000_000
_LABELS = (300, 500, 1000, 2000, 5000, 20_000)
_FITS = {"logistic": (LOGISTIC,), "boosted": BOOSTED, "chosen": (LOGISTIC, *BOOSTED)}
_CODES = [feature.code for feature in FEATURES]


@dataclass(frozen=True, eq=False, kw_only=True)
class World:
    """Simulated listings: their labelled facts, features float64 [n, features] and truth bool [n]."""

    rows: list[LabelledFacts]
    x: FloatArray
    infringing: BoolArray

    @classmethod
    def draw(cls, n: int, *, seed: int) -> World:
        """Draw `n` listings; the same ones for the same seed."""
        rows = [
            LabelledFacts(listing_id=f"{seed}-{number}", facts=one.facts, infringing=one.infringing)
            for number, one in enumerate(simulate(n, seed=seed))
        ]
        x = np.array([measure(row.facts) for row in rows])
        return cls(rows=rows, x=x, infringing=np.array([row.infringing for row in rows]))


def rivals(world: World) -> dict[str, FloatArray]:
    """Score listings by what needs no labels: the price alone, a sum of all features alike, and the prior."""
    directions = np.array([feature.direction for feature in FEATURES])
    spread = np.where(world.x.std(axis=0) > 0, world.x.std(axis=0), 1.0)
    low, usual = (world.x[:, _CODES.index(code)] for code in ("PRICE_FAR_BELOW_USUAL", "PRICE_USUAL"))
    return {
        "price alone": low - usual,
        "naive sum": (world.x / spread * directions).sum(axis=1),
        "prior": log_odds(PRIOR, world.x),
    }


def log_odds(model: FusionModel, x: FloatArray) -> FloatArray:
    """Return what `model.fuse` answers, for many listings at once and without reasons, float64 [n]."""
    found: FloatArray = model.bias + x @ np.array(model.weights)
    if model.trees is not None:
        for lower, upper, value in zip(model.trees.lower, model.trees.upper, model.trees.values, strict=True):
            asked = np.isfinite(lower) | np.isfinite(upper)
            at = x[:, asked]
            found += value * ((lower[asked] < at) & (at <= upper[asked])).all(axis=1)
    answers: FloatArray = model.calibration.slope * found + model.calibration.shift
    return answers


def calibrated(unseen: FloatArray, truth: BoolArray, asked: FloatArray) -> dict[str, FloatArray]:
    """Calibrate by `unseen` log-odds and their truth, in three ways; give the log-odds for what is `asked`."""
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression

    def beta(found: FloatArray) -> FloatArray:
        said = np.clip(sigmoid(found), 1e-9, 1 - 1e-9)
        return np.column_stack([np.log(said), -np.log1p(-said)])

    platt = fit_calibration(unseen, truth, margin=0.0)
    steps = IsotonicRegression(out_of_bounds="clip").fit(unseen, truth).predict(asked)
    curve = LogisticRegression(C=1e6).fit(beta(unseen), truth).predict_proba(beta(asked))[:, 1]
    return {
        "none": asked,
        "Platt": platt.slope * asked + platt.shift,
        "beta (Kull et al., 2017)": _log_odds(curve),
        "isotonic": _log_odds(steps),
    }


def _log_odds(said: FloatArray) -> FloatArray:
    kept = np.clip(said, 1e-9, 1 - 1e-9)
    found: FloatArray = np.log(kept / (1 - kept))
    return found


def _uncalibrated(model: FusionModel, x: FloatArray) -> FloatArray:
    return (log_odds(model, x) - model.calibration.shift) / model.calibration.slope


def _rows(seeds: int) -> Mapping[str, list[FusionFigures]]:
    test = World.draw(_TESTED, seed=_TEST_SEED)
    found = {name: [figures_of(score, test.infringing)] for name, score in rivals(test).items()}
    for labels in _LABELS:
        for seed in range(seeds):
            train = World.draw(labels, seed=seed)
            print(f"{labels} labels, seed {seed}", file=sys.stderr)
            for name, candidates in _FITS.items():
                model = fit_fusion(train.rows, candidates=candidates).model
                figures = figures_of(log_odds(model, test.x), test.infringing)
                found.setdefault(f"{labels} labels: {name}", []).append(figures)
            # The last model, of all candidates, is the one that would be served.
            unseen = World.draw(labels, seed=seeds + seed)
            curves = calibrated(_uncalibrated(model, unseen.x), unseen.infringing, _uncalibrated(model, test.x))
            for name, curve in curves.items():
                figures = figures_of(curve, test.infringing)
                found.setdefault(f"{labels} labels: calibrated by {name}", []).append(figures)
    return found


def main() -> None:
    """Print the figures of every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="fits whose figures are averaged")
    table = Table("model", *(field.name for field in fields(FusionFigures)))
    for name, figures in _rows(parser.parse_args().seeds).items():
        means = (np.mean([getattr(one, field.name) for one in figures]) for field in fields(FusionFigures))
        table.add_row(name, *(f"{mean:.4f}" for mean in means))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
