"""How many labels does which fusion model need, and how should it be calibrated? The figures of docs/fusion.md.

    python -m training.measure_fusion            # about ten minutes on two cores

Models are fitted on simulated listings (`training.decision_world`) and measured on 60,000 others; figures are means
over seeds of what they are fitted on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import fields

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
_LABELS = (300, 500, 1000, 2000, 5000, 20000)
_CODES = [feature.code for feature in FEATURES]


def labelled(n: int, *, seed: int) -> list[LabelledFacts]:
    """Draw labelled listings of the simulated world."""
    return [
        LabelledFacts(listing_id=f"{seed}-{number}", facts=one.facts, infringing=one.infringing)
        for number, one in enumerate(simulate(n, seed=seed))
    ]


def rivals(rows: list[LabelledFacts]) -> tuple[dict[str, FloatArray], BoolArray]:
    """Score listings by what needs no labels: the price alone, a sum of all features alike, and the prior."""
    x = np.array([measure(row.facts) for row in rows])
    directions = np.array([feature.direction for feature in FEATURES])
    scores = {
        "price alone": x[:, _CODES.index("PRICE_FAR_BELOW_USUAL")] - x[:, _CODES.index("PRICE_USUAL")],
        "naive sum": (x / x.std(axis=0) * directions).sum(axis=1),
        "prior": log_odds(PRIOR, rows),
    }
    return scores, np.array([row.infringing for row in rows])


def log_odds(model: FusionModel, rows: list[LabelledFacts]) -> FloatArray:
    """Ask a model about listings."""
    return np.array([model.fuse(row.facts).log_odds for row in rows])


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


def _uncalibrated(model: FusionModel, rows: list[LabelledFacts]) -> FloatArray:
    return (log_odds(model, rows) - model.calibration.shift) / model.calibration.slope


def _rows(seeds: int) -> Mapping[str, list[FusionFigures]]:
    test = labelled(_TESTED, seed=_TEST_SEED)
    scores, truth = rivals(test)
    found = {name: [figures_of(score, truth)] for name, score in scores.items()}
    for labels in _LABELS:
        for seed in range(seeds):
            rows = labelled(labels, seed=seed)
            print(f"{labels} labels, seed {seed}", file=sys.stderr)
            for name, candidates in (("logistic", (LOGISTIC,)), ("boosted", BOOSTED), ("chosen", (LOGISTIC, *BOOSTED))):
                model = fit_fusion(rows, candidates=candidates).model
                figures = figures_of(log_odds(model, test), truth)
                found.setdefault(f"{labels} labels: {name}", []).append(figures)
        if labels in (300, 2000, 20000):
            unseen = labelled(labels, seed=seeds)
            asked, known = _uncalibrated(model, test), np.array([row.infringing for row in unseen])
            for name, curve in calibrated(_uncalibrated(model, unseen), known, asked).items():
                found[f"{labels} labels: calibrated by {name}"] = [figures_of(curve, truth)]
    return found


def main() -> None:
    """Print the figures of every model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="fits whose figures are averaged")
    table = Table("model", *(field.name for field in fields(FusionFigures)))
    for name, figures in _rows(parser.parse_args().seeds).items():
        means = (np.mean([getattr(one, field.name) for one in figures]) for field in fields(FusionFigures))
        table.add_row(name, *(f"{mean:.4f}" for mean in means))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
