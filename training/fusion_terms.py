"""How are a fusion model's terms fitted? Weights around the prior, trees on what the weights leave, slope and shift.

Each is a maximum of a penalised likelihood of the labels. `x` is float64 [n, features] as `serving.features.measure`
gives them, `infringing` bool [n], and `margin` float64 [n] or one number: log-odds that are there already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.features import BIAS, FEATURES
from serving.fusion import Calibration
from serving.trees import Trees

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# The hand-set weights are taken to be right within a factor of two (two standard deviations), the bias within a factor
# of about 400 in odds: how common counterfeits are differs more between marketplaces than what speaks for them.
_WEIGHT_SD = 0.5
_BIAS_SD = 3.0
# Calibration starts from "what is said comes true": a slope within a factor of about two, a shift within two log-odds.
_CALIBRATION_SD = (0.35, 1.0)

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 8,
    "max_depth": 4,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "monotone_constraints": [feature.direction for feature in FEATURES],
    "monotone_constraints_method": "intermediate",
    "boost_from_average": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}


def fit_weights(x: FloatArray, infringing: BoolArray, *, margin: float) -> tuple[float, FloatArray]:
    """Fit bias and weights (log-odds a unit), each on its side of 0, with Gaussian priors around those set by hand."""
    prior = np.array([feature.weight for feature in FEATURES])
    centre = np.array([BIAS, *prior])
    spread = np.array([_BIAS_SD, *(_WEIGHT_SD * np.abs(prior))])
    bounds = [(None, None), *((0.0, None) if weight > 0 else (None, 0.0) for weight in prior)]
    design = np.column_stack([np.ones(len(x)), x])
    found = _maximise(design, infringing, margin=margin, centre=centre, spread=spread, bounds=bounds)
    return float(found[0]), found[1:]


def fit_calibration(log_odds: FloatArray, infringing: BoolArray, *, margin: float) -> Calibration:
    """Fit slope and shift for log-odds of listings that the model was not fitted on."""
    design = np.column_stack([log_odds, np.ones(len(log_odds))])
    slope, shift = _maximise(
        design,
        infringing,
        margin=margin,
        centre=np.array([1.0, 0.0]),
        spread=np.array(_CALIBRATION_SD),
        bounds=[(0.05, None), (None, None)],
    )
    return Calibration(slope=float(slope), shift=float(shift))


def grow_trees(x: FloatArray, infringing: BoolArray, *, margin: FloatArray, rounds: int) -> Any:
    """Boost `rounds` monotone trees on what `margin` leaves to explain: a LightGBM booster, its answers in log-odds."""
    import lightgbm

    data = lightgbm.Dataset(x, infringing.astype(np.float64), init_score=margin, params={"verbosity": -1})
    return lightgbm.train(PARAMETERS, data, num_boost_round=rounds)


def leaves_of(booster: Any) -> Trees | None:
    """Take a booster's trees over as boxes; None when it found nothing to split."""
    boxes = [box for tree in booster.dump_model()["tree_info"] for box in _boxes(tree["tree_structure"])]
    if not boxes:
        return None
    lower, upper, values = zip(*boxes, strict=True)
    return Trees(lower=np.array(lower), upper=np.array(upper), values=np.array(values))


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Turn log-odds into probabilities."""
    found: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -700, 700)))
    return found


def _boxes(node: dict[str, Any], bounds: dict[int, tuple[float, float]] | None = None) -> Iterator[Any]:
    """Walk a tree as LightGBM dumps it; yield lower bounds, upper bounds and value of each leaf."""
    bounds = bounds or {}
    if "leaf_value" in node:
        every = [bounds.get(feature, (-np.inf, np.inf)) for feature in range(len(FEATURES))]
        yield [low for low, _ in every], [high for _, high in every], node["leaf_value"]
        return
    feature, limit = node["split_feature"], node["threshold"]
    low, high = bounds.get(feature, (-np.inf, np.inf))
    yield from _boxes(node["left_child"], bounds | {feature: (low, limit)})
    yield from _boxes(node["right_child"], bounds | {feature: (limit, high)})


def _maximise(
    design: FloatArray,
    infringing: BoolArray,
    *,
    margin: float,
    centre: FloatArray,
    spread: FloatArray,
    bounds: Any,
) -> FloatArray:
    """Find the most probable coefficients of a logistic regression with independent Gaussian priors."""
    from scipy.optimize import minimize

    signed = np.where(infringing, 1.0, -1.0)

    def loss(found: FloatArray) -> tuple[float, FloatArray]:
        agreement = signed * (design @ found + margin)
        off = (found - centre) / spread
        gradient = -(signed * sigmoid(-agreement)) @ design + off / spread
        return float(np.logaddexp(0, -agreement).sum() + (off**2).sum() / 2), gradient

    # In units of the prior the problem is round, and L-BFGS needs few steps.
    scaled = [
        tuple(None if edge is None else edge / unit for edge in pair) for pair, unit in zip(bounds, spread, strict=True)
    ]

    def in_units(found: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = loss(found * spread)
        return value, gradient * spread

    answer: FloatArray = minimize(in_units, centre / spread, jac=True, method="L-BFGS-B", bounds=scaled).x * spread
    return answer
