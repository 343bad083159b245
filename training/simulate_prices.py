"""How does the price model do where the truth is known? Mean figures over simulated worlds; `eval prices --simulate`.

Each world of `training.price_world` is fitted and asked as the pipeline does it, among them worlds that the model was
not made for: with half or twice the nuisances, and with fakes that ask more. `fixed_shares` is the same model without
what it learns of the stories, so that the gain can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from index.money import ExchangeRates
from index.price_stories import StoryShares
from index.pricing import PriceModel
from training.metrics import roc_auc, tpr_at_fpr
from training.price_world import World, make_world, variants
from training.progress import Progress, silent

_NO_EVIDENCE = 0.0


@dataclass(frozen=True, kw_only=True)
class SimulatedFigures:
    """Means over the seeds, and the standard error of the detection rate's."""

    world: str
    seeds: int
    auc: float
    tpr_at_fpr_0_5pct: float
    standard_error: float
    fixed_shares_tpr_at_fpr_0_5pct: float


@dataclass(frozen=True, kw_only=True)
class SimulationReport:
    """The figures of every world."""

    worlds: tuple[SimulatedFigures, ...]


def simulate_prices(*, seeds: int = 20, progress: Progress | None = None) -> SimulationReport:
    """Draw, fit and ask `seeds` worlds of each kind. Calls `progress(done, total)` after each world."""
    report, kinds, rates = progress or silent, variants(), ExchangeRates.load()
    figures = []
    for number, (name, settings) in enumerate(kinds.items()):
        aucs, found, found_fixed = [], [], []
        for seed in range(seeds):
            world = make_world(seed, settings)
            model = PriceModel.fit(world.history, rates)
            scores = _scores(model, world)
            aucs.append(roc_auc(scores, world.fake))
            found.append(tpr_at_fpr(scores, world.fake, fpr=0.005))
            found_fixed.append(tpr_at_fpr(_scores(_unlearnt(model), world), world.fake, fpr=0.005))
            report(number * seeds + seed + 1, len(kinds) * seeds)
        figures.append(
            SimulatedFigures(
                world=name,
                seeds=seeds,
                auc=float(np.mean(aucs)),
                tpr_at_fpr_0_5pct=float(np.mean(found)),
                standard_error=float(np.std(found) / np.sqrt(seeds)),
                fixed_shares_tpr_at_fpr_0_5pct=float(np.mean(found_fixed)),
            )
        )
    return SimulationReport(worlds=tuple(figures))


def _scores(model: PriceModel, world: World) -> Sequence[float]:
    return [each.score if each else _NO_EVIDENCE for each in model.score_batch(world.cases)]


def _unlearnt(model: PriceModel) -> PriceModel:
    """Return the model with the shares that it began with."""
    return replace(model, fitted=replace(model.fitted, shares=StoryShares(), offset=0.0))
