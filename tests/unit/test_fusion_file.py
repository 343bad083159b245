"""A fusion model's file: read as it was written, and refused when it is damaged, foreign or for other features."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from serving.cli.main import touchstone
from serving.facts import FACTS, Facts
from serving.features import FEATURES
from serving.fusion import Calibration, FusionModel
from serving.fusion_file import PRIOR, FusionArtefact, load_fusion, named, read_artefact, save_artefact
from serving.trees import Trees
from training.decision_world import simulate
from vision.errors import ModelError

LISTINGS = [one.facts for one in simulate(200, seed=1)]


def model() -> FusionModel:
    """Make a small model with everything in it."""
    lower, upper = np.full((2, len(FEATURES)), -np.inf), np.full((2, len(FEATURES)), np.inf)
    upper[0, 3], lower[1, 3] = 1.5, 1.5
    trees = Trees(lower=lower, upper=upper, values=np.array([-0.25, 0.75]))
    weights = tuple(0.5 * weight for weight in PRIOR.weights)
    return named("boosted", bias=-3.0, weights=weights, trees=trees, calibration=Calibration(slope=1.25, shift=-0.5))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Write the model into a file."""
    path = tmp_path / "fusion.json"
    save_artefact(path, FusionArtefact(model=model(), training={"labels": 3}))
    return path


def test_a_model_decides_the_same_after_saving(saved: Path) -> None:
    """Version, probabilities and contributions are those of the model that was saved; nothing is rounded."""
    artefact = read_artefact(saved)

    assert artefact.model.version == model().version
    assert artefact.training == {"labels": 3}
    assert [artefact.model.fuse(facts) for facts in LISTINGS] == [model().fuse(facts) for facts in LISTINGS]


def test_contributions_sum_to_the_log_odds_of_every_model(saved: Path) -> None:
    """With trees and calibration too: the prior and all contributions are the log-odds, by the formula of the page."""
    fused = read_artefact(saved).model.fuse(LISTINGS[0])

    numbers = [feature.value(LISTINGS[0]) for feature in FEATURES]
    linear = -3.0 + sum(0.5 * feature.weight * number for feature, number in zip(FEATURES, numbers, strict=True))
    assert fused.log_odds == pytest.approx(1.25 * (linear + (0.75 if numbers[3] > 1.5 else -0.25)) - 0.5)
    assert fused.prior == 1.25 * (-3.0 - 0.25) - 0.5
    assert fused.log_odds == fused.prior + sum(reason.weight for reason in fused.weighed)


def test_without_a_file_the_prior_decides() -> None:
    """What ships needs no file, and its version says what it is."""
    assert load_fusion(None) is PRIOR
    assert PRIOR.version.startswith("prior@")
    assert PRIOR.fuse(LISTINGS[0]).version == PRIOR.version


def test_another_weight_is_another_version() -> None:
    """Two models that could answer differently never share a version."""
    other = named("prior", bias=PRIOR.bias, weights=(*PRIOR.weights[:-1], PRIOR.weights[-1] + 1e-9))

    assert other.version != PRIOR.version


def _resealed(path: Path, change: Any) -> None:
    """Change a file and make its hash true again."""
    document = json.loads(path.read_text())
    change(document["model"])
    body = {"model": document["model"], "training": document["training"]}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    document["sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda model: model["features"].remove("REPORTED_BY_BUYERS"),
            "fitted on other features .*it lacks .*REPORTED_BY_BUYERS",
        ),
        (lambda model: model["features"].append("NEW"), r"it has \['NEW'\]"),
        (lambda model: model["weights"].update(REPLICA_WORDING=-1.0), "against its direction"),
        (lambda model: model["calibration"].update(slope=0.0), "slope must lie above 0"),
        (lambda model: model["weights"].pop("BRAND_SEEN"), "no fusion model"),
        (lambda model: model["trees"][0].update(where={"NONSENSE": [0, 1]}), "no fusion model"),
    ],
)
def test_a_model_for_something_else_is_refused(saved: Path, change: Any, message: str) -> None:
    """Other features, weights on the wrong side and what makes no sense are refused, with file and remedy."""
    _resealed(saved, change)

    with pytest.raises(ModelError, match=message) as refusal:
        read_artefact(saved)

    assert str(saved) in str(refusal.value)
    assert "touchstone fusion fit" in str(refusal.value)


def test_a_damaged_file_is_refused_wherever_the_damage_is(saved: Path) -> None:
    """Any changed digit is noticed: the file is cut off, or its hash is not the one that it names."""
    whole = saved.read_text()

    for damaged in (
        whole[:-40],
        whole.replace("-0.25", "-0.26"),
        whole.replace('"labels": 3', '"labels": 4'),
        "[]",
        "",
    ):
        saved.write_text(damaged)
        with pytest.raises(ModelError, match="touchstone fusion fit"):
            read_artefact(saved)


def test_another_format_is_refused_by_its_number(saved: Path) -> None:
    """A file of a later format says so, rather than that it is damaged."""
    saved.write_text(saved.read_text().replace('"format_version": 1', '"format_version": 2'))

    with pytest.raises(ModelError, match="format_version 2, not 1"):
        read_artefact(saved)


def test_show_refuses_what_is_no_model(saved: Path) -> None:
    """`touchstone fusion show` of another file is bad usage, and says what is wrong with the file."""
    saved.write_text("{}")

    answer = CliRunner().invoke(touchstone, ["fusion", "show", str(saved)])

    assert answer.exit_code == 2
    assert "is no fusion model" in answer.output


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(ModelError, match=r"none\.json"):
        read_artefact(tmp_path / "none.json")


def test_fusing_costs_less_than_a_third_of_a_millisecond() -> None:
    """The prior answers in well under 0.3 ms, in the best of five rounds, for the machine may be busy."""
    nothing = Facts({name: fact.neutral for name, fact in FACTS.items()})

    def per_listing() -> float:
        start = time.perf_counter()
        for facts in LISTINGS:
            PRIOR.fuse(facts)
        return (time.perf_counter() - start) / len(LISTINGS)

    PRIOR.fuse(nothing)
    assert min(per_listing() for _ in range(5)) < 0.3e-3
