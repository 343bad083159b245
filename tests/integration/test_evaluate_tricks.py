"""Do sellers' tricks do to a photo what they say, and does `eval tricks` count what is decided then? In miniature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from index.errors import CatalogueError
from serving.settings import Settings
from tests.integration.support import draw
from training.evaluate_tricks import evaluate_tricks
from training.seller_tricks import TINY, TRICKS, Marked
from vision.decode import decode
from vision.regions import Box

# The stand-in embedder keeps this fast; the figures are its own, the path is the served one.
FAKE = Settings(embedder="fake")
BOX = Box(0.25, 0.4, 0.75, 0.6)


def marked(seed: int = 1) -> Marked:
    """Make a grey photo with a striped mark in it."""
    photo = np.full((200, 300, 3), 90, np.uint8)
    photo[80:120, 75:225] = np.arange(150)[None, :, None] % 20 * 12
    others = [np.full((150, 250, 3), 200 + number, np.uint8) for number in range(3)]
    return Marked(photo=photo, box=BOX, brand="Aurora", others=others)


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_is_the_same_for_the_same_seed_and_changes_what_it_says(name: str) -> None:
    """Each gives photos that can be screened, the same for a seed, and leaves the original alone."""
    before = marked()
    once, again = (TRICKS[name](before, np.random.default_rng(7)) for _ in range(2))

    assert all(np.array_equal(one, other) for one, other in zip(once, again, strict=True))
    assert all(photo.dtype == np.uint8 and min(photo.shape[:2]) >= 16 for photo in once)
    assert np.array_equal(before.photo, marked().photo)
    assert len(once) == (2 if name == "second photo" else 1)
    assert np.array_equal(once[-1], before.photo) == (name in ("none", "second photo"))


def test_the_mark_is_where_a_trick_puts_it() -> None:
    """Drawn over means inside the box, tiny means a part of each edge, and a crop leaves a part of the mark."""
    before = marked()
    over = np.any(TRICKS["drawn over"](before, np.random.default_rng(1))[0] != before.photo, axis=2)
    tiny = TRICKS["tiny"](before, np.random.default_rng(1))[0]
    crop = TRICKS["extreme crop"](before, np.random.default_rng(1))[0]
    said = np.any(TRICKS["NOT BRAND"](before, np.random.default_rng(1))[0] != before.photo, axis=2)

    assert 0.1 < over[80:120, 75:225].mean() < 0.9
    assert not over[:60].any()
    background = np.bincount(tiny[..., 0].ravel()).argmax()
    assert (tiny[..., 0] != background).mean() <= TINY**2 + 0.01
    assert crop.shape[1] / crop.shape[0] < 150 / 40  # narrower than the whole mark
    assert said.any()
    assert not said[80:120].any()


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Path, Path]:
    """Three boxed photos of a brand with a reference of it each, and two photos of nothing."""
    rows, references = [], []
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(draw(number, edge=240))
        labels = {"brand": "Aurora", "boxes": [[0.1, 0.1, 0.9, 0.9]]} if number < 3 else {"brand": None}
        rows.append({"listing_id": str(number), "images": [f"{number}.png"], "labels": labels})
        if number < 3:
            references.append({"brand": "Aurora", "kind": "product", "image": f"{number}.png"})
    photos, refs = tmp_path / "photos.jsonl", tmp_path / "refs.jsonl"
    photos.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    refs.write_text("".join(json.dumps(row) + "\n" for row in references), encoding="utf-8")
    return photos, refs


def test_every_trick_is_played_on_every_photo(manifests: tuple[Path, Path]) -> None:
    """The figures are shares of the photos, for each trick and for photos of nothing."""
    photos, references = manifests

    report = evaluate_tricks(photos, str(references), photos, settings=FAKE, limit=2)

    assert (report.photos, report.others, report.references) == (2, 2, 3)
    assert report.named.keys() == report.stopped.keys() == TRICKS.keys()
    assert {*report.named.values(), *report.stopped.values()} <= {0.0, 0.5, 1.0}
    assert 0 <= report.others_named <= 1


def test_without_boxes_or_others_there_is_nothing_to_measure(manifests: tuple[Path, Path], tmp_path: Path) -> None:
    """A manifest that lacks what is needed is refused by name."""
    photos, references = manifests
    branded = tmp_path / "branded.jsonl"
    branded.write_text(photos.read_text().splitlines()[0] + "\n", encoding="utf-8")

    with pytest.raises(CatalogueError, match=r"branded\.jsonl: no photo is without a brand"):
        evaluate_tricks(photos, str(references), branded, settings=FAKE)
    assert decode((tmp_path / "0.png").read_bytes()).width == 240
