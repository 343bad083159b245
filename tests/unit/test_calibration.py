"""A similarity means a probability, for the model that it was fitted for and for no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.calibration import SimilarityCalibration
from vision.errors import ModelError

FITTED = SimilarityCalibration(fingerprint="model@1", midpoint=0.6, scale=0.05)


def test_midpoint_is_as_likely_as_not() -> None:
    """At the midpoint the brand is there in one of two cases, one scale above it in 73%."""
    assert FITTED.probability(0.6) == 0.5
    assert FITTED.probability(0.65) == pytest.approx(0.731, abs=0.001)
    assert FITTED.probability(0.55) == pytest.approx(0.269, abs=0.001)


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    st.floats(-2, 2),
    st.floats(1e-6, 10, exclude_min=True),
)
def test_probability_rises_with_similarity_and_stays_one(pair: list[float], midpoint: float, scale: float) -> None:
    """Whatever was fitted, more similar is never less likely, and the result is a probability."""
    calibration = SimilarityCalibration(fingerprint="m", midpoint=midpoint, scale=scale)

    low, high = (calibration.probability(similarity) for similarity in sorted(pair))

    assert 0.0 <= low <= high <= 1.0


def test_without_calibration_only_near_identical_pictures_count() -> None:
    """A model nobody calibrated must not overclaim."""
    calibration = SimilarityCalibration.uncalibrated("model@1")

    assert calibration.fingerprint == "model@1"
    assert calibration.probability(1.0) > 0.99
    assert calibration.probability(0.9) < 0.01


def test_saved_calibration_reads_back_equal(tmp_path: Path) -> None:
    """What training writes is what serving reads, to the last digit."""
    path = tmp_path / "similarity.json"

    FITTED.save(path)

    assert SimilarityCalibration.load(path, fingerprint="model@1") == FITTED
    assert json.loads(path.read_text())["format_version"] == 1


SAVED = {"format_version": 1, "fingerprint": "model@1", "midpoint": 0.6, "scale": 0.05}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no similarity calibration"),
        ("[]", "no similarity calibration"),
        ("\x00", "no similarity calibration"),
        (json.dumps(SAVED | {"scale": "wide"}), "no similarity calibration"),
        (json.dumps({"format_version": 1}), "fingerprint"),
        (json.dumps(SAVED | {"format_version": 2}), "format_version 1"),
        (json.dumps(SAVED | {"scale": 0}), "scale above 0"),
        (json.dumps(SAVED | {"scale": -1}), "scale above 0"),
        (json.dumps(SAVED | {"scale": float("nan")}), "finite"),
        (json.dumps(SAVED | {"midpoint": float("inf")}), "finite"),
        (json.dumps(SAVED | {"fingerprint": "model@2"}), "fitted for model@2, not for model@1"),
    ],
)
def test_calibration_that_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """A damaged file, another format or another model's is refused by name, with the remedy."""
    path = tmp_path / "similarity.json"
    path.write_text(text)

    with pytest.raises(ModelError, match=says) as caught:
        SimilarityCalibration.load(path, fingerprint="model@1")

    assert str(path) in str(caught.value)
    assert "training.fit_similarity" in str(caught.value)


def test_missing_calibration_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ModelError, match=r"none\.json"):
        SimilarityCalibration.load(tmp_path / "none.json", fingerprint="model@1")
