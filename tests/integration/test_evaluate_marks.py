"""Does `eval marks` draw what it says, and report what its predictions say? Through the served path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from index.errors import CatalogueError
from index.manifest import read_listings
from reference_brands.held_out import is_held_out
from serving.settings import Settings
from tests.integration.support import Touchstone, draw
from training.evaluate_marks import MANIFEST, evaluate_marks
from training.predictions import read_predictions

# The stand-in embedder keeps this fast; the figures are its own, the path is the served one.
FAKE = Settings(embedder="fake")
BRANDS = ("nike", "adidas", "ford", "google", "samsung", "lenovo", "asus")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten drawn pictures as a listing manifest, one of its files no picture at all."""
    rows = []
    for number in range(10):
        (tmp_path / f"{number}.png").write_bytes(draw(number, edge=200))
        rows.append({"listing_id": str(number), "images": [f"{number}.png"]})
    (tmp_path / "3.png").write_bytes(b"no picture")
    path = tmp_path / "photos.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_held_out_marks_are_drawn_and_searched_among_all(photos: Path, tmp_path: Path) -> None:
    """Scenes show held-out brands only, each about as often; the others are there to be mistaken for them."""
    file, page = tmp_path / "predictions.jsonl", tmp_path / "report.html"

    report = evaluate_marks(
        [photos], settings=FAKE, scenes=8, only=BRANDS, keep=tmp_path / "kept", predictions=file, report=page
    )

    rows = list(read_listings(tmp_path / "kept" / MANIFEST))
    drawn = [row.labels.brand for row in rows if row.labels.brand is not None]
    assert {name for name in drawn if is_held_out(name)} == set(drawn) == {"Nike", "Adidas", "Ford", "Google"}
    assert max(map(drawn.count, drawn)) - min(map(drawn.count, drawn)) <= 1
    assert (report.n, report.negatives, report.brands, report.references) == (8, 8, 4, 9)
    assert report.forwards_per_image == 21
    assert "eval marks" in page.read_text(encoding="utf-8")
    answers = list(read_predictions(file))
    right = [answer.answer == row.labels.brand for answer, row in zip(answers, rows, strict=True) if row.labels.brand]
    assert report.top1 == sum(right) / 8
    assert report.top1 <= report.top5 <= 1


def test_the_same_seed_gives_the_same_scenes(photos: Path, tmp_path: Path) -> None:
    """Files and labels are the same to the byte; another seed gives others."""
    folders = [tmp_path / name for name in ("first", "again", "other")]

    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        evaluate_marks([photos], settings=FAKE, scenes=3, seed=seed, only=("nike", "ford"), keep=folder)

    first, again, other = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert first == again
    assert first != other


def test_progress_follows_references_scenes_and_queries(photos: Path) -> None:
    """Whoever waits sees each of the three phases come to its end."""
    steps: list[tuple[int, int]] = []

    evaluate_marks([photos], settings=FAKE, scenes=2, only=("nike", "ford"), progress=lambda *step: steps.append(step))

    assert steps == [(1, 2), (2, 2), *[(number, 4) for number in (1, 2, 3, 4)] * 2]


def test_without_a_held_out_brand_there_is_nothing_to_draw(photos: Path) -> None:
    """A miniature run of brands that may be trained on is refused with the reason."""
    with pytest.raises(CatalogueError, match="held-out"):
        evaluate_marks([photos], settings=FAKE, scenes=2, only=("samsung",))


def test_without_a_readable_photo_there_is_nothing_to_draw_on(tmp_path: Path) -> None:
    """Files that are no pictures are skipped; when none is left the manifest is named."""
    (tmp_path / "a.png").write_bytes(b"no picture")
    photos = tmp_path / "photos.jsonl"
    photos.write_text('{"listing_id": "a", "images": ["a.png", "missing.png"]}\n', encoding="utf-8")

    with pytest.raises(CatalogueError, match=r"photos\.jsonl: no photo can be read"):
        evaluate_marks([photos], settings=FAKE, scenes=1, only=("nike",))


def test_missing_development_data_is_a_usage_error(
    touchstone: Touchstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --photos and without the data the command says what to give."""
    monkeypatch.setenv("TOUCHSTONE_EVAL_DATA", str(tmp_path))

    outcome = touchstone("eval", "marks")

    assert outcome.code == 2
    assert "--photos" in outcome.stderr


@pytest.mark.measure
def test_the_command_searches_all_seed_marks(touchstone: Touchstone, photos: Path) -> None:
    """`eval marks --json` prints the contract's figures over every mark that the pinned package ships."""
    outcome = touchstone("--json", "eval", "marks", "--scenes", "2", "--photos", photos)

    figures = json.loads(outcome.stdout)
    assert outcome.code == 0
    assert {"n", "top1", "top5"} <= figures.keys()
    assert figures["references"] > 3400
