"""Training end to end in miniature: every line of it, on data made up here, stopped, resumed and shipped."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
import safetensors.torch

from training.curve import read_curve
from training.loop import train
from training.progress import Progress
from training.recipes import miniature
from training.ship import write_finder, write_marks, write_photos
from training.train import STAGES, finder_task, run
from vision.clip import load_embedder
from vision.errors import ModelError
from vision.finder import load_finder
from vision.networks import DEFAULT_MODEL

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="{}" d="M2 2h{}v{}H2z"/></svg>'


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training data in the form of the real: photos of two kinds of products, and an archive of logos."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name, labels in (("clothing", ("dress", "hat")), ("grocery", ("Apple", "Milk"))):
        (folder / name).mkdir()
        lines = []
        for number in range(12):
            colours = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            photo = cv2.resize(colours, (160, 120), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / name / f"{number}.jpg"), photo)
            label = labels[number % 2]
            lines.append(
                {
                    "listing_id": f"{name}{number}",
                    "images": [f"{number}.jpg"],
                    "labels": {"category": label, "brand": f"{label}-{number % 3}"},
                }
            )
        (folder / name / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / "logos").mkdir()
    with tarfile.open(folder / "logos" / "cc0_logos.tar.gz", "w:gz") as archive:
        for number, colour in enumerate(("red", "#0055aa", "green", "#e0a000")):
            drawing = _SVG.format(colour, 8 + 3 * number, 20 - 4 * number).encode()
            entry = tarfile.TarInfo(f"set/mark{number}.svg")
            entry.size = len(drawing)
            archive.addfile(entry, io.BytesIO(drawing))
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the miniature to its end."""
    out = tmp_path_factory.mktemp("run")
    run(miniature(), out, data, stages=STAGES)
    return out


def test_a_run_leaves_networks_and_curves(trained: Path) -> None:
    """Each stage leaves its weights, and a curve with every step and its losses."""
    losses_of = {
        "finder": {"centres", "boxes"},
        "embedder": {"marks"},
        "anchored": {"marks", "products", "kept"},
        "products": {"products", "kept"},
    }
    for stage, losses in losses_of.items():
        assert safetensors.torch.load_file(trained / f"{stage}.safetensors")
        assert "<svg" in (trained / f"{stage}.svg").read_text()
        points = read_curve(trained / f"{stage}.curve.jsonl")
        assert [point.step for point in points] == [0, 1, 2]
        assert all(point.losses.keys() == losses for point in points)
        assert all(np.isfinite(value) for point in points for value in point.losses.values())


class Stopped(Exception):
    """The machine went down."""


def stop_after(step: int) -> Progress:
    """Progress that ends the run at a step."""

    def progress(done: int, total: int) -> None:
        if done == step < total:
            raise Stopped

    return progress


def test_a_run_that_was_stopped_goes_on_where_it_was(trained: Path, data: Path, tmp_path: Path) -> None:
    """A run cut off after a checkpoint and started again ends as one that was left alone."""
    recipe = miniature()
    with pytest.raises(Stopped):
        train(finder_task(recipe, tmp_path, data), tmp_path, seed=recipe.seed, progress=stop_after(2))

    run(recipe, tmp_path, data, stages=["finder"])

    whole = safetensors.torch.load_file(trained / "finder.safetensors")
    resumed = safetensors.torch.load_file(tmp_path / "finder.safetensors")
    assert [point.step for point in read_curve(tmp_path / "finder.curve.jsonl")] == [0, 1, 2]
    for name, tensor in whole.items():
        np.testing.assert_allclose(resumed[name], tensor, atol=1e-4, err_msg=name)


def test_pictures_do_not_depend_on_how_many_paint_them(trained: Path, data: Path, tmp_path: Path) -> None:
    """Two processes make the steps' pictures as one does: the network comes out the same."""
    recipe = miniature()
    shutil.copy(trained / "finder.safetensors", tmp_path)

    run(recipe, tmp_path, data, stages=["anchored"], painters=2)

    alone, together = (safetensors.torch.load_file(folder / "anchored.safetensors") for folder in (trained, tmp_path))
    for name, tensor in alone.items():
        np.testing.assert_allclose(together[name], tensor, atol=1e-4, err_msg=name)


def test_a_device_that_is_not_here_is_refused(data: Path, tmp_path: Path) -> None:
    """A training on a GPU that this machine lacks does not begin."""
    with pytest.raises(ModelError, match="device 'cuda:99' is not here"):
        run(miniature(), tmp_path, data, stages=["finder"], device="cuda:99")


def test_a_finished_stage_is_left_alone(trained: Path, data: Path) -> None:
    """Running a finished run again changes nothing."""
    before = (trained / "finder.safetensors").stat().st_mtime_ns

    run(miniature(), trained, data, stages=["finder"])

    assert (trained / "finder.safetensors").stat().st_mtime_ns == before


def test_a_run_becomes_models_that_load(trained: Path, tmp_path: Path) -> None:
    """What training wrote, shipped, is what the service's loaders read: a finder, and one network for each sort."""
    write_finder(safetensors.torch.load_file(trained / "finder.safetensors"), tmp_path)
    write_photos(safetensors.torch.load_file(trained / "products.safetensors"), tmp_path)
    one = load_embedder(str(tmp_path / DEFAULT_MODEL))
    marks = [safetensors.torch.load_file(trained / f"{stage}.safetensors") for stage in ("embedder", "anchored")]
    write_marks(marks, tmp_path)

    photo = np.full((90, 70, 3), 130, np.uint8)
    assert load_finder(tmp_path / "mark-finder").find([photo])
    embedder = load_embedder(str(tmp_path / DEFAULT_MODEL))
    np.testing.assert_array_equal(embedder.embed([photo]), one.embed([photo]))
    assert np.abs(embedder.embed_marks([photo]) - one.embed_marks([photo])).max() > 1e-4
    assert len({embedder.fingerprint, one.fingerprint, load_embedder().fingerprint}) == 3


def test_an_embedder_without_a_finder_says_what_to_train_first(data: Path, tmp_path: Path) -> None:
    """The embedder learns from what the run's own finder finds."""
    with pytest.raises(click.UsageError, match=r"finder\.safetensors is missing"):
        run(miniature(), tmp_path, data, stages=["embedder"])
