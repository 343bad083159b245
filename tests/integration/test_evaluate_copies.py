"""Does `eval copies` alter what it says, and report what its predictions say? Through the served path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from index.errors import CatalogueError
from serving.settings import Settings
from tests.integration.support import Touchstone, draw
from training.copy_changes import CHANGES, MOST_COVERED, Change, as_jpeg, two
from training.evaluate_copies import evaluate_copies
from training.predictions import read_predictions
from vision.decode import decode

# The stand-in embedder keeps this fast; the figures are its own, the path is the served one.
FAKE = Settings(embedder="fake")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five drawn pictures as a listing manifest, one of its files no picture at all."""
    rows = []
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(draw(number, edge=240) if number != 3 else b"no picture")
        rows.append({"listing_id": str(number), "images": [f"{number}.png"]})
    path = tmp_path / "photos.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_figures_are_those_of_the_predictions(photos: Path, tmp_path: Path) -> None:
    """Half of the readable photos are on record, each is altered in every way, and anyone can score the answers."""
    file = tmp_path / "predictions.jsonl"

    report = evaluate_copies(photos, settings=FAKE, predictions=file)

    answers = list(read_predictions(file))
    negatives = [each for each in answers if each.listing_id.endswith("/negative")]
    copies = [each for each in answers if each not in negatives]
    assert (report.recorded, report.negatives, report.n) == (2, len(negatives), len(copies)) == (2, 2, 14)
    assert (report.threshold, report.false_positive_rate) == (0, 0)
    right = [each.answer == each.listing_id.split("/")[0] for each in copies]
    assert report.recall_at_fpr_0_1pct == pytest.approx(sum(right) / len(right))
    assert set(report.by_change) == {*CHANGES, "two"}
    assert report.by_change["mirror"] == report.by_change["jpeg"] == 1
    assert report.recall_at_fpr_0_1pct >= 0.7  # a dozen plain shapes have few details


def test_without_two_photos_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """A manifest without readable photos is refused by name."""
    (tmp_path / "empty.jsonl").write_text('{"listing_id": "a", "images": ["missing.png"]}\n', encoding="utf-8")

    with pytest.raises(CatalogueError, match=r"empty\.jsonl: 0 photos can be read"):
        evaluate_copies(tmp_path / "empty.jsonl", settings=FAKE)


def test_the_command_prints_its_figures(touchstone: Touchstone, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`eval copies --json` prints what the model card is made from."""
    monkeypatch.setenv("TOUCHSTONE_EMBEDDER", "fake")

    outcome = touchstone("--json", "eval", "copies", photos, "--limit", "2")

    figures = json.loads(outcome.stdout)
    names = {"n", "negatives", "recall_at_fpr_0_1pct", "threshold", "by_change", "ms_per_image_p50", "model"}
    assert outcome.code == 0
    assert names <= figures.keys()


@pytest.mark.parametrize("change", [*CHANGES.values(), two], ids=[*CHANGES, "two"])
def test_the_same_seed_makes_the_same_change(change: Change) -> None:
    """A change is one to the pixel for a seed, leaves its input alone, and gives a picture."""
    photo = decode(draw(1, edge=120)).pixels
    before = photo.copy()

    first, again = (change(photo, np.random.default_rng(8)) for _ in range(2))

    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(photo, before)
    assert first.dtype == np.uint8
    assert decode(as_jpeg(first)).pixels.shape == first.shape


def test_changes_are_as_large_as_they_say() -> None:
    """Crops keep 60% of area or edges, a border is 5-15% wide, words cover a fifth at most."""
    photo, random = decode(draw(1, edge=200)).pixels, np.random.default_rng(2)

    area, edges = (CHANGES[name](photo, random).shape[0] / 200 for name in ("crop_area", "crop_edges"))
    widths = [(CHANGES["border"](photo, random).shape[0] / 200 - 1) / 2 for _ in range(20)]
    covered = [float((CHANGES["overlay"](photo, random) != photo).any(axis=2).mean()) for _ in range(20)]

    assert (area**2, edges) == (pytest.approx(0.6, abs=0.01), pytest.approx(0.6))
    assert 0.045 <= min(widths) < max(widths) <= 0.155
    assert 0.01 < min(covered) < max(covered) <= MOST_COVERED + 0.01
