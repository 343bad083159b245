"""Where is a fusion model kept? In a JSON file with a format version and a sha256, read by people and checked here.

`model` holds what decides, `training` what `touchstone fusion fit` measured; a decision names the model by kind and the
first twelve digits of the sha256 of `model` alone. A file that names other features than this version of Touchstone
weighs is refused: their numbers would be added up under wrong names.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from serving.features import BIAS, FEATURES
from serving.fusion import UNCALIBRATED, Calibration, FusionModel
from serving.trees import Trees
from vision.errors import ModelError

FORMAT_VERSION = 1
_CODES = [feature.code for feature in FEATURES]
_REMEDY = "run touchstone fusion fit, or leave the setting out to use what ships"


@dataclass(frozen=True, kw_only=True)
class FusionArtefact:
    """A model with what was measured when it was fitted: JSON values, as `training.fit_fusion` writes them."""

    model: FusionModel
    training: Mapping[str, Any]


def named(
    kind: str,
    *,
    bias: float,
    weights: tuple[float, ...],
    trees: Trees | None = None,
    calibration: Calibration = UNCALIBRATED,
) -> FusionModel:
    """Make a model whose version is its kind and what it holds: `boosted@0123456789ab`."""
    terms = _terms(bias, weights, trees, calibration)
    version = f"{kind}@{_sha256({'kind': kind} | terms)[:12]}"
    return FusionModel(version=version, bias=bias, weights=weights, trees=trees, calibration=calibration)


def load_fusion(path: Path | None) -> FusionModel:
    """Load the model at `path`; the prior when there is none. Raises as `read_artefact` does."""
    return PRIOR if path is None else read_artefact(path).model


def save_artefact(path: Path, artefact: FusionArtefact) -> None:
    """Write the model and what was measured over what is at `path`."""
    model = artefact.model
    kind = model.version.partition("@")[0]
    body = {
        "model": {"kind": kind} | _terms(model.bias, model.weights, model.trees, model.calibration),
        "training": dict(artefact.training),
    }
    document = {"format_version": FORMAT_VERSION, "sha256": _sha256(body)} | body
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_artefact(path: Path) -> FusionArtefact:
    """Read the model at `path`.

    Raises:
        ModelError: unreadable, damaged, of another format or for other features; it names the file and the remedy.

    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format_version"] != FORMAT_VERSION:
            found = document["format_version"]
            raise ModelError(f"{path} has format_version {found}, not {FORMAT_VERSION}; {_REMEDY}")
        body = {"model": document["model"], "training": document["training"]}
        if document["sha256"] != _sha256(body):
            raise ModelError(f"{path} is damaged: its sha256 is not the one that it names; {_REMEDY}")
        _check_features(path, document["model"]["features"])
        return FusionArtefact(model=_model(document["model"]), training=document["training"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path} is no fusion model ({error!r}); {_REMEDY}") from error


def _check_features(path: Path, codes: list[str]) -> None:
    if codes == _CODES:
        return
    lacking, foreign = sorted(set(_CODES) - set(codes)), sorted(set(codes) - set(_CODES))
    raise ModelError(
        f"{path} was fitted on other features (it lacks {lacking}, it has {foreign}, or their order differs); {_REMEDY}"
    )


def _model(terms: Mapping[str, Any]) -> FusionModel:
    leaves = terms["trees"]
    return named(
        str(terms["kind"]),
        bias=float(terms["bias"]),
        weights=tuple(float(terms["weights"][code]) for code in _CODES),
        trees=None if leaves is None else _trees(leaves),
        calibration=Calibration(slope=float(terms["calibration"]["slope"]), shift=float(terms["calibration"]["shift"])),
    )


def _terms(bias: float, weights: tuple[float, ...], trees: Trees | None, calibration: Calibration) -> dict[str, Any]:
    """Put a model into JSON values. A leaf is its value and, for each feature that it asks about, (lower, upper]."""
    return {
        "features": _CODES,
        "bias": bias,
        "weights": dict(zip(_CODES, weights, strict=True)),
        "trees": None if trees is None else _leaves(trees),
        "calibration": {"slope": calibration.slope, "shift": calibration.shift},
    }


def _leaves(trees: Trees) -> list[dict[str, Any]]:
    return [
        {
            "value": value,
            "where": {
                code: [low if math.isfinite(low) else None, high if math.isfinite(high) else None]
                for code, low, high in zip(_CODES, lower, upper, strict=True)
                if math.isfinite(low) or math.isfinite(high)
            },
        }
        for lower, upper, value in zip(trees.lower.tolist(), trees.upper.tolist(), trees.values.tolist(), strict=True)
    ]


def _trees(leaves: list[Mapping[str, Any]]) -> Trees:
    lower = np.full((len(leaves), len(_CODES)), -math.inf)
    upper = np.full((len(leaves), len(_CODES)), math.inf)
    for row, leaf in enumerate(leaves):
        for code, (low, high) in leaf["where"].items():
            column = _CODES.index(code)
            lower[row, column] = -math.inf if low is None else float(low)
            upper[row, column] = math.inf if high is None else float(high)
    return Trees(lower=lower, upper=upper, values=np.array([float(leaf["value"]) for leaf in leaves]))


def _sha256(values: object) -> str:
    """Hash JSON values; the same for the same numbers, whatever the order of keys."""
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


PRIOR = named("prior", bias=BIAS, weights=tuple(feature.weight for feature in FEATURES))
"""What ships: the weights that are set by hand."""
