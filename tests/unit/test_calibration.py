"""A match means a probability, for the model that it was fitted for and for no other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.calibration import FALSE_POSITIVE_RATES, Curve, MatchCalibration, Shown, Signs
from vision.errors import ModelError

THRESHOLDS = dict(zip(FALSE_POSITIVE_RATES, (0.9, 0.6, 0.3), strict=True))
CURVE = Curve(bias=-11.0, score=20.0, strength=2.0, read=4.0, thresholds=THRESHOLDS)
FITTED = MatchCalibration(
    fingerprint="model@1",
    curves={Shown.MARK: CURVE, Shown.EXAMPLE: replace(CURVE, bias=-9.0), Shown.PRODUCT: replace(CURVE, strength=0.0)},
)


def test_each_kind_has_its_own_curve() -> None:
    """The same signs mean as much as the curve of what the reference shows says."""
    signs = Signs(score=0.5, strength=0.5)

    assert FITTED.probability(Shown.MARK, signs) == pytest.approx(0.5)
    assert FITTED.probability(Shown.EXAMPLE, signs) == pytest.approx(0.881, abs=0.001)
    assert FITTED.probability(Shown.PRODUCT, signs) == pytest.approx(0.269, abs=0.001)


@given(
    st.lists(st.floats(-1, 1), min_size=2, max_size=2),
    st.lists(st.floats(0, 6), min_size=2, max_size=2),
    st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_more_of_a_sign_is_never_less_likely(scores: list[float], strengths: list[float], read: list[float]) -> None:
    """Whatever is found, the result is a probability and rises with every sign."""
    low = CURVE.probability(Signs(score=min(scores), strength=min(strengths), read=min(read)))
    high = CURVE.probability(Signs(score=max(scores), strength=max(strengths), read=max(read)))

    assert 0.0 <= low <= high <= 1.0


def test_a_name_that_is_read_lifts_a_brand() -> None:
    """Of brands that look equally alike the one whose name is read is likelier, the more the surer it is read."""
    chances = [CURVE.probability(Signs(score=0.5, read=read)) for read in (0.0, 0.5, 1.0)]

    assert chances == pytest.approx([0.269, 0.731, 0.953], abs=0.001)


def test_without_calibration_only_near_identical_pictures_count() -> None:
    """A model nobody calibrated must not overclaim, whatever the kind and the verification."""
    calibration = MatchCalibration.uncalibrated("model@1")

    assert calibration.fingerprint == "model@1"
    for shown in Shown:
        assert calibration.probability(shown, Signs(score=1.0)) > 0.99
        assert calibration.probability(shown, Signs(score=0.9, strength=4.0, read=1.0)) < 0.01


def test_saved_calibration_reads_back_equal(tmp_path: Path) -> None:
    """What training writes is what serving reads, to the last digit."""
    path = tmp_path / "calibration.json"

    FITTED.save(path)

    assert MatchCalibration.load(path, fingerprint="model@1") == FITTED
    assert json.loads(path.read_text())["format_version"] == 3


def _changed(**curve: Any) -> dict[str, Any]:
    plain = {"bias": 0, "score": 1, "strength": 0, "read": 0, "thresholds": {str(r): 0.5 for r in THRESHOLDS}}
    kinds = {str(shown): plain for shown in Shown}
    return {"format_version": 3, "fingerprint": "model@1", "kinds": kinds | {"mark": plain | curve}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no match calibration"),
        ("[]", "no match calibration"),
        ("\x00", "no match calibration"),
        ("{}", "no match calibration"),
        (json.dumps(_changed(bias="steep")), "no match calibration"),
        (json.dumps(_changed(score=0)), "weight of the score"),
        (json.dumps(_changed(strength=-1)), "not below"),
        (json.dumps(_changed(read=-1)), "not below"),
        (json.dumps(_changed(bias=float("nan"))), "finite"),
        (json.dumps(_changed(thresholds={"0.5": 0.5})), "thresholds must be given"),
        (json.dumps(_changed() | {"kinds": {}}), "curves must be given"),
        (json.dumps(_changed() | {"format_version": 2}), "format_version 3"),
        (json.dumps(_changed() | {"fingerprint": "model@2"}), "fitted for model@2, not for model@1"),
    ],
)
def test_calibration_that_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """A damaged file, another format or another model's is refused by name, with the remedy."""
    path = tmp_path / "calibration.json"
    path.write_text(text)

    with pytest.raises(ModelError, match=says) as caught:
        MatchCalibration.load(path, fingerprint="model@1")

    assert str(path) in str(caught.value)
    assert "training.calibrate" in str(caught.value)


def test_missing_calibration_is_refused(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ModelError, match=r"none\.json"):
        MatchCalibration.load(tmp_path / "none.json", fingerprint="model@1")
