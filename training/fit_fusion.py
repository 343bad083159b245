"""Which fusion model do these labels support? Candidates are compared on listings that they were not fitted on.

    logistic            the prior's weights moved as far as the labels insist
    boosted             monotone trees on half of what those weights say, or on nothing but the share of counterfeits

Half, because trees that are monotone too can only add to what the weights say: where the weights count the same thing
twice, they must leave room. With few labels the half carries the model, with many nothing is needed. Candidates are
compared by the log-loss of five-fold cross-validation, and trees must beat the logistic model by more than one standard
error of the difference. The winner's out-of-fold log-odds give slope and shift (Platt): two numbers keep the model
monotone, its contributions additive and its best-scored listings told apart, where isotonic steps would tie them; see
docs/fusion.md for what each leaves in error. Then it is fitted once more, on all labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.errors import CatalogueError
from serving.features import measure
from serving.fusion import FusionModel
from serving.fusion_file import PRIOR, FusionArtefact, named
from training.fusion_terms import fit_calibration, fit_weights, grow_trees, leaves_of, sigmoid
from training.labelled_facts import LabelledFacts
from training.metrics import roc_auc
from training.progress import Progress, silent
from training.reliability import brier, expected_calibration_error, log_loss, recall_at_precision, reliability

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FOLDS = 5
# Fewer of either kind leave folds without any, and a calibration that is all prior.
LEAST_OF_EACH = 20
# Under this many labels trees are not tried: see docs/fusion.md for where they begin to win.
LEAST_FOR_TREES = 300
ROUNDS = (25, 50, 100, 150)
PRECISION = 0.995


@dataclass(frozen=True)
class Candidate:
    """A way to fit: trees of `rounds` rounds on the share `head_start` of what the weights say; 0 rounds: no trees."""

    head_start: float
    rounds: int

    @property
    def kind(self) -> str:
        """What it is called in versions and reports."""
        return "boosted" if self.rounds else "logistic"


LOGISTIC = Candidate(1.0, 0)
BOOSTED = tuple(Candidate(head_start, rounds) for head_start in (0.5, 0.0) for rounds in ROUNDS)


@dataclass(frozen=True, kw_only=True)
class FusionFigures:
    """How a model does on listings that it was not fitted on."""

    log_loss: float
    brier: float
    ece: float
    auc: float
    recall_at_precision_99_5pct: float


def figures_of(log_odds: FloatArray, infringing: BoolArray) -> FusionFigures:
    """Measure log-odds against the truth."""
    probabilities = sigmoid(log_odds)
    return FusionFigures(
        log_loss=log_loss(probabilities, infringing),
        brier=brier(probabilities, infringing),
        ece=expected_calibration_error(probabilities, infringing),
        auc=roc_auc(log_odds, infringing),
        recall_at_precision_99_5pct=recall_at_precision(log_odds, infringing, precision=PRECISION),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Sample:
    """Features float64 [n, features], truth bool [n], and by how many log-odds the labels exaggerate."""

    x: FloatArray
    infringing: BoolArray
    excess: float

    def part(self, rows: NDArray[np.int64]) -> _Sample:
        return _Sample(x=self.x[rows], infringing=self.infringing[rows], excess=self.excess)


def fit_fusion(
    rows: Iterable[LabelledFacts],
    *,
    prevalence: float | None = None,
    candidates: Sequence[Candidate] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> FusionArtefact:
    """Fit a model and say how it does, out of fold.

    `prevalence` is the share of counterfeits among the listings that will be screened, where the labels' own share is
    another (reviewed listings are worse than most); the figures are those on the labels all the same. `candidates` may
    be chosen, by default the logistic model and, from `LEAST_FOR_TREES` labels on, the boosted ones. `seed` deals the
    folds. Calls `progress(done, total)` after each.

    Raises:
        CatalogueError: too few labels of either kind.

    """
    sample = _sample(list(rows), prevalence)
    fold_of = _deal(sample.infringing, seed)
    candidates = candidates or (LOGISTIC, *(BOOSTED if len(sample.x) >= LEAST_FOR_TREES else ()))
    unseen = _out_of_fold(sample, fold_of, candidates, progress)
    chosen = _choose(unseen, sample)
    model = _fit(sample, chosen, unseen[chosen])
    return FusionArtefact(model=model, training=_report(sample, fold_of, unseen, chosen, prevalence))


def _sample(rows: Sequence[LabelledFacts], prevalence: float | None) -> _Sample:
    infringing = np.array([row.infringing for row in rows], dtype=bool)
    positives, negatives = int(infringing.sum()), int((~infringing).sum())
    if min(positives, negatives) < LEAST_OF_EACH:
        raise CatalogueError(
            f"{positives} counterfeit and {negatives} honest listings are too few to fit; give {LEAST_OF_EACH} of each."
        )
    excess = 0.0 if prevalence is None else _log_odds(positives / len(rows)) - _log_odds(prevalence)
    return _Sample(x=np.array([measure(row.facts) for row in rows]), infringing=infringing, excess=excess)


def _deal(infringing: BoolArray, seed: int) -> NDArray[np.int64]:
    """Deal each kind evenly to the folds; int64 [n], 0..FOLDS-1."""
    random = np.random.default_rng(seed)
    folds = np.empty(len(infringing), np.int64)
    for kind in (True, False):
        own = random.permutation(np.flatnonzero(infringing == kind))
        folds[own] = np.arange(len(own)) % FOLDS
    return folds


def _out_of_fold(
    sample: _Sample, fold_of: NDArray[np.int64], candidates: Sequence[Candidate], progress: Progress
) -> dict[Candidate, FloatArray]:
    """Return each candidate's uncalibrated log-odds of every listing, fitted on the other folds."""
    unseen = {candidate: np.empty(len(sample.x)) for candidate in candidates}
    starts = sorted({candidate.head_start for candidate in candidates if candidate.rounds})
    for fold in range(FOLDS):
        train, held = sample.part(np.flatnonzero(fold_of != fold)), np.flatnonzero(fold_of == fold)
        bias, weights = fit_weights(train.x, train.infringing, margin=train.excess)
        if LOGISTIC in unseen:
            unseen[LOGISTIC][held] = bias + sample.x[held] @ weights
        for start in starts:
            first, lean = _head_start(train, bias, weights, start)
            margin = first + train.x @ lean + train.excess
            booster = grow_trees(train.x, train.infringing, margin=margin, rounds=max(ROUNDS))
            for candidate in (one for one in candidates if one.rounds and one.head_start == start):
                trees = booster.predict(sample.x[held], raw_score=True, num_iteration=candidate.rounds, num_threads=1)
                unseen[candidate][held] = first + sample.x[held] @ lean + trees
        progress(fold + 1, FOLDS)
    return unseen


def _head_start(sample: _Sample, bias: float, weights: FloatArray, share: float) -> tuple[float, FloatArray]:
    """Mix what the weights say with the bare share of counterfeits: bias and weights that the trees begin with."""
    bare = _log_odds(float(sample.infringing.mean())) - sample.excess
    return share * bias + (1.0 - share) * bare, share * weights


def _choose(unseen: dict[Candidate, FloatArray], sample: _Sample) -> Candidate:
    """Take the candidate with the least log-loss, the logistic one unless it is clearly beaten."""
    losses = {
        candidate: np.logaddexp(0, np.where(sample.infringing, -1.0, 1.0) * (log_odds + sample.excess))
        for candidate, log_odds in unseen.items()
    }
    best = min(losses, key=lambda candidate: float(losses[candidate].mean()))
    if LOGISTIC not in losses:
        return best
    gained = losses[LOGISTIC] - losses[best]
    clearly = gained.mean() > gained.std() / math.sqrt(len(gained))
    return best if clearly else LOGISTIC


def _fit(sample: _Sample, chosen: Candidate, unseen: FloatArray) -> FusionModel:
    bias, weights = fit_weights(sample.x, sample.infringing, margin=sample.excess)
    trees = None
    if chosen.rounds:
        bias, weights = _head_start(sample, bias, weights, chosen.head_start)
        margin = bias + sample.x @ weights + sample.excess
        trees = leaves_of(grow_trees(sample.x, sample.infringing, margin=margin, rounds=chosen.rounds))
    return named(
        chosen.kind,
        bias=bias,
        weights=tuple(weights.tolist()),
        trees=trees,
        calibration=fit_calibration(unseen, sample.infringing, margin=sample.excess),
    )


def _report(
    sample: _Sample,
    fold_of: NDArray[np.int64],
    unseen: dict[Candidate, FloatArray],
    chosen: Candidate,
    prevalence: float | None,
) -> dict[str, Any]:
    """Put what was measured into JSON values: every figure is out of fold, calibration included."""
    judged = {
        kind: _calibrated(sample, fold_of, unseen[candidate]) for kind, candidate in _best(unseen, sample).items()
    }
    prior = np.array([PRIOR.bias + row @ np.array(PRIOR.weights) for row in sample.x])
    figures = {"prior": figures_of(prior + sample.excess, sample.infringing)}
    figures |= {kind: figures_of(log_odds, sample.infringing) for kind, log_odds in judged.items()}
    chosen_log_odds = _calibrated(sample, fold_of, unseen[chosen])
    return {
        "labels": len(sample.x),
        "infringing": int(sample.infringing.sum()),
        "prevalence": prevalence,
        "chosen": asdict(chosen) | {"kind": chosen.kind},
        "figures": {kind: asdict(found) for kind, found in figures.items()},
        "reliability": [asdict(one) for one in reliability(sigmoid(chosen_log_odds), sample.infringing)],
    }


def _best(unseen: dict[Candidate, FloatArray], sample: _Sample) -> dict[str, Candidate]:
    """Pick the best candidate of each kind."""

    def loss(candidate: Candidate) -> float:
        return log_loss(sigmoid(unseen[candidate] + sample.excess), sample.infringing)

    kinds = dict.fromkeys(candidate.kind for candidate in unseen)
    return {kind: min((one for one in unseen if one.kind == kind), key=loss) for kind in kinds}


def _calibrated(sample: _Sample, fold_of: NDArray[np.int64], log_odds: FloatArray) -> FloatArray:
    """Calibrate each fold by what the others say, and put it on the scale of the labels."""
    found = np.empty(len(log_odds))
    for fold in range(FOLDS):
        held, others = fold_of == fold, fold_of != fold
        curve = fit_calibration(log_odds[others], sample.infringing[others], margin=sample.excess)
        found[held] = curve.slope * log_odds[held] + curve.shift + sample.excess
    return found


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
