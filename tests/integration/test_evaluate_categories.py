"""`eval categories` measures what is served, and its predictions files can be scored again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from index.errors import CatalogueError
from training.category_rows import read_labelled
from training.convert_touchstone_s import main as convert
from training.evaluate_categories import CategoryReport, evaluate_categories
from training.label_table import load_label_table
from training.metrics import macro_f1
from training.predictions import read_predictions
from vision.clip import TorchEmbedder, load_embedder
from vision.errors import TaxonomyError, UnsupportedByModel
from vision.fake import FakeEmbedder
from vision.taxonomy import load_taxonomy

BELT = "fashion > accessories > belts"
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 210)}


@pytest.fixture(scope="module")
def embedder() -> TorchEmbedder:
    """Load the shipped model once."""
    return load_embedder()


def _subset(manifest: Path, folder: Path, *, per_label: int, skip: int = 0) -> Path:
    """Write a manifest of some rows of each label, with absolute image paths."""
    seen: Counter[str] = Counter()
    lines = []
    for line in manifest.read_text().splitlines():
        row = json.loads(line)
        label = row["labels"]["category"]
        seen[label] += 1
        if skip < seen[label] <= skip + per_label:
            row["images"] = [str(manifest.parent / image) for image in row["images"]]
            lines.append(json.dumps(row))
    path = folder / f"{manifest.stem}_{skip}.jsonl"
    path.write_text("\n".join(lines))
    return path


def _score_again(predictions: Path, truths: dict[str, str]) -> tuple[int, float, float]:
    """Score a predictions file from the labels alone."""
    answers = {row.listing_id: row.answer for row in read_predictions(predictions)}
    right = sum(answers[listing_id] == truth for listing_id, truth in truths.items())
    return len(answers), right / len(truths), macro_f1([answers[key] for key in truths], list(truths.values()))


@pytest.mark.data
def test_fitted_head_beats_chance_and_its_predictions_score_the_same(
    eval_data: Path, embedder: TorchEmbedder, tmp_path: Path
) -> None:
    """A handful of photos a class is enough, and anyone can recompute the figures."""
    train = _subset(eval_data / "clothing" / "train.jsonl", tmp_path, per_label=6)
    test = _subset(eval_data / "clothing" / "test.jsonl", tmp_path, per_label=2)
    seen: list[tuple[int, int]] = []

    report = evaluate_categories(
        test,
        embedder=embedder,
        train=train,
        predictions=tmp_path / "p.jsonl",
        progress=lambda done, total: seen.append((done, total)),
    )

    assert report.top1 >= 0.5
    assert report.top1 <= report.top5 <= 1
    assert (60, 60) in seen
    assert seen[-1] == (20, 20)
    truths = {row.listing_id: row.label for row in read_labelled(test)}
    assert _score_again(tmp_path / "p.jsonl", truths) == pytest.approx((20, report.top1, report.macro_f1))


@pytest.mark.data
def test_shipped_head_names_leaves_through_the_label_table(
    eval_data: Path, embedder: TorchEmbedder, tmp_path: Path
) -> None:
    """With the taxonomy nothing is fitted; answers are leaf paths, or null where the head does not know."""
    test = _subset(eval_data / "clothing" / "test.jsonl", tmp_path, per_label=3)

    report = evaluate_categories(test, embedder=embedder, taxonomy=True, predictions=tmp_path / "p.jsonl")

    leaves = load_label_table(load_taxonomy()).data_sets["clothing"]
    covered = {row.listing_id: [" > ".join(leaf) for leaf in leaves[row.label]] for row in read_labelled(test)}
    answers = {row.listing_id: row.answer for row in read_predictions(tmp_path / "p.jsonl")}
    assert report.n == len(answers) == 30
    assert report.top1 >= 0.6
    assert report.top1 == pytest.approx(np.mean([answers[key] in several for key, several in covered.items()]))


def test_a_label_may_cover_several_leaves_of_which_any_is_right(tmp_path: Path) -> None:
    """Shoes are not told apart by their label: the table lists them, the leaf to assume first."""
    table = tmp_path / "table.yaml"
    shoes = ["fashion > shoes > casual-shoes", "fashion > shoes > boots"]
    table.write_text(json.dumps({"format_version": 1, "labels": {"shop": {"shoe": shoes, "hat": None, "belt": BELT}}}))

    leaves = load_label_table(load_taxonomy(), table).covering({"shoe", "hat"})

    assert [" > ".join(leaf) for leaf in leaves["shoe"]] == shoes
    assert leaves["hat"] == ()
    assert [" > ".join(leaf) for leaf in leaves["belt"]] == [BELT]
    table.write_text(json.dumps({"format_version": 1, "labels": {"shop": {"shoe": [*shoes, "fashion > shoos"]}}}))
    with pytest.raises(TaxonomyError, match=r"shop shoe.*shoos"):
        load_label_table(load_taxonomy(), table)


@pytest.mark.data
@pytest.mark.measure
@pytest.mark.timeout(3600)
def test_clothing_reaches_the_bar(eval_data: Path, embedder: TorchEmbedder) -> None:
    """A head fitted on clothing/train finds 87% of clothing/test."""
    clothing = eval_data / "clothing"

    report = evaluate_categories(clothing / "test.jsonl", embedder=embedder, train=clothing / "train.jsonl")

    assert report.n == 372
    assert report.top1 >= 0.87


def _painted(folder: Path, *, count: int, seed: int) -> Path:
    """Write a manifest of noisy photos in three colours."""
    random = np.random.default_rng(seed)
    lines = []
    for name, colour in COLOURS.items():
        for number in range(count):
            noise = random.integers(-20, 20, (48, 64, 3))
            image = f"{name}_{seed}_{number}.png"
            Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(folder / image)
            row = {"listing_id": image, "images": [image], "labels": {"category": name}}
            lines.append(json.dumps(row))
    path = folder / f"painted_{seed}.jsonl"
    path.write_text("\n".join([*lines, json.dumps({"listing_id": "no label", "images": ["missing.png"]})]))
    return path


def test_heads_are_fitted_on_one_manifest_and_tested_on_another(tmp_path: Path) -> None:
    """Easy classes are all found; listings without a label do not count."""
    train, test = _painted(tmp_path, count=8, seed=1), _painted(tmp_path, count=4, seed=2)

    report = evaluate_categories(test, embedder=FakeEmbedder(), train=train)

    assert report == CategoryReport(n=12, top1=1.0, top5=1.0, macro_f1=1.0)


def test_unreadable_photo_is_a_wrong_answer_not_a_crash(tmp_path: Path) -> None:
    """An image that cannot be decoded counts, and the others go on."""
    train, test = _painted(tmp_path, count=8, seed=1), _painted(tmp_path, count=4, seed=2)
    (tmp_path / "red_2_0.png").write_bytes(b"no image")

    report = evaluate_categories(test, embedder=FakeEmbedder(), train=train)

    assert report.n == 12
    assert report.top1 >= 11 / 12


@pytest.mark.data
def test_zero_shot_names_categories_from_their_names(eval_data: Path, embedder: TorchEmbedder, tmp_path: Path) -> None:
    """With neither manifest nor taxonomy the label names are the prompts, and the text tower knows what they mean."""
    test = _subset(eval_data / "clothing" / "test.jsonl", tmp_path, per_label=3)

    report = evaluate_categories(test, embedder=embedder)

    assert report.n == 30
    assert report.top1 >= 0.6


def test_zero_shot_needs_a_model_that_reads(tmp_path: Path) -> None:
    """A model whose text tower has no weights refuses, rather than answer with noise."""
    folder = tmp_path / "sees-only"
    CliRunner().invoke(convert, ["--out", str(folder)], catch_exceptions=False)
    test = _painted(tmp_path, count=2, seed=2)

    with pytest.raises(UnsupportedByModel, match="text tower"):
        evaluate_categories(test, embedder=load_embedder(str(folder)))


def test_taxonomy_needs_known_labels_and_a_shipped_head(tmp_path: Path) -> None:
    """The refusal says what is missing and what to do instead."""
    test = _painted(tmp_path, count=2, seed=2)

    with pytest.raises(TaxonomyError, match=r"no data set there has the label 'blue'.*--train"):
        evaluate_categories(test, embedder=FakeEmbedder(), taxonomy=True)

    test.write_text(test.read_text().replace('"category": "red"', '"category": "dress"'))
    kept = [line for line in test.read_text().splitlines() if "dress" in line]
    test.write_text("\n".join(kept))
    with pytest.raises(UnsupportedByModel, match=r"no category head is shipped for fake@.*--train"):
        evaluate_categories(test, embedder=FakeEmbedder(), taxonomy=True)


def test_train_and_taxonomy_exclude_each_other(tmp_path: Path) -> None:
    """A head is either fitted or shipped."""
    test = _painted(tmp_path, count=2, seed=2)

    with pytest.raises(ValueError, match="not both"):
        evaluate_categories(test, embedder=FakeEmbedder(), train=test, taxonomy=True)


def test_manifest_without_labels_is_refused(tmp_path: Path) -> None:
    """There must be something to measure."""
    path = tmp_path / "bare.jsonl"
    path.write_text(json.dumps({"listing_id": "1", "images": ["a.png"]}))

    with pytest.raises(CatalogueError, match=r"bare\.jsonl: no listing has images and labels"):
        evaluate_categories(path, embedder=FakeEmbedder())
