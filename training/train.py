"""`touchstone train`: from the pinned packages' weights and free data to the networks that ship.

    touchstone train --out runs/s [--stage finder|embedder|anchored|products]

Run it again with the same folder to go on where it was stopped. Each finished stage leaves its network in the folder:
`finder.safetensors` and so on; `python -m training.ship runs/s` puts them where the service reads them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from index.manifest import ListingRow, read_listings
from training.progress import progress_bar
from training.recipes import RECIPES, Recipe

if TYPE_CHECKING:
    from training.loop import Task
    from training.product_task import ProductPhoto
    from training.scenes import Studio
    from vision.finder import Finder

# Packed goods carry marks that no label knows; a finder must not learn to pass over them.
_PACKED = frozenset(
    ["Juice", "Milk", "Yoghurt", "Sour-Cream", "Soyghurt", "Soy-Milk", "Oatghurt", "Oat-Milk", "Sour-Milk"]
)
_CLOTHING, _GROCERY = "clothing/train.jsonl", "grocery/train.jsonl"
_CLIPPINGS = 3  # of a photo, at most
STAGES = ("finder", "embedder", "anchored", "products")  # the embedders learn from what the finder finds
_LOGOS = "logos/cc0_logos.tar.gz"


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder of the run.")
@click.option("--recipe", "name", type=click.Choice(sorted(RECIPES)), default="touchstone_s", show_default=True)
@click.option("--stage", type=click.Choice(STAGES), help="Only this stage; all by default.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of torch; one a core by default.")
@click.option("--device", default="cpu", show_default=True, help="Where networks learn: `auto`, `cpu`, `cuda`.")
@click.option(
    "--painters", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that make the pictures."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=lambda: Path(os.environ.get("TOUCHSTONE_EVAL_DATA", "../shared/data")),
    help="Folder of the training data [default: $TOUCHSTONE_EVAL_DATA].",
)
def train(out: Path, name: str, stage: str | None, threads: int | None, device: str, painters: int, data: Path) -> None:
    """Train the networks that ship, or go on with a run that was stopped."""
    stages = [stage] if stage else STAGES
    run(RECIPES[name](), out, data, stages=stages, threads=threads, device=device, painters=painters)


def run(
    recipe: Recipe,
    out: Path,
    data: Path,
    *,
    stages: Sequence[str],
    threads: int | None = None,
    device: str = "cpu",
    painters: int = 1,
) -> None:
    """Train `stages` of a recipe into the folder `out`; a stage that is finished is left alone.

    Raises:
        ModelError: there is no such `device`.
        UsageError: a stage needs what an earlier one leaves.

    """
    import cv2
    import torch

    from vision.allocator import keep_freed_memory
    from vision.clip import resolve_device

    place = resolve_device(device)
    keep_freed_memory()
    cv2.setNumThreads(1)  # the drawing has a process of its own
    if threads is not None:
        torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        if not (out / f"{stage}.safetensors").is_file():
            _train(TASKS[stage](recipe, out, data), recipe, out, device=place, painters=painters)


def finder_task(recipe: Recipe, out: Path, data: Path) -> Task:
    """Gather what the finder learns from; drawn artwork is kept in `out`."""
    import torch

    from training.finder_task import FinderTask
    from training.trunk import start_trunk

    photos = [row.images[0] for row in _rows(data / _CLOTHING, recipe)]
    photos += [row.images[0] for row in _rows(data / _GROCERY, recipe) if row.labels.category not in _PACKED]
    torch.manual_seed(recipe.seed)  # for the heads; every step's pictures have a generator of their own
    return FinderTask(start_trunk(), _studio(recipe, out, data, photos), recipe.finder)


def embedder_task(recipe: Recipe, out: Path, data: Path) -> Task:
    """Gather what the embedder of marks learns from; drawn artwork is kept in `out`."""
    import torch

    from training.embedder_task import EmbedderTask
    from training.trunk import start_trunk

    studio = _marks(recipe, out, data)
    torch.manual_seed(recipe.seed)
    return EmbedderTask("embedder", start_trunk(), studio, recipe, recipe.embedder)


def anchored_task(recipe: Recipe, out: Path, data: Path) -> Task:
    """Gather what the other embedder of marks learns from: the same, and products beside it."""
    import torch

    from training.embedder_task import EmbedderTask
    from training.product_task import ProductTask
    from training.trunk import start_trunk

    studio, trunk = _marks(recipe, out, data), start_trunk()
    torch.manual_seed(recipe.seed)
    beside = ProductTask(trunk, _products(recipe, data), recipe, recipe.beside)
    return EmbedderTask("anchored", trunk, studio, recipe, recipe.anchored, beside)


def product_task(recipe: Recipe, _: Path, data: Path) -> Task:
    """Gather what the embedder of photos learns from."""
    import torch

    from training.product_task import ProductTask
    from training.trunk import start_trunk

    torch.manual_seed(recipe.seed)
    return ProductTask(start_trunk(), _products(recipe, data), recipe, recipe.products)


TASKS: dict[str, Callable[[Recipe, Path, Path], Task]] = {
    "finder": finder_task,
    "embedder": embedder_task,
    "anchored": anchored_task,
    "products": product_task,
}


def _train(task: Task, recipe: Recipe, out: Path, *, device: str, painters: int) -> None:
    import safetensors.torch

    from training.curve import draw_curve
    from training.loop import train as train_task

    with progress_bar(f"training the {task.name}") as progress:
        network = train_task(task, out, seed=recipe.seed, progress=progress, device=device, painters=painters)
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    partial = out / f"{task.name}.partial"
    safetensors.torch.save_file(tensors, partial)
    partial.replace(out / f"{task.name}.safetensors")
    draw_curve(out / f"{task.name}.curve.jsonl", out / f"{task.name}.svg")


def _finder(out: Path, recipe: Recipe) -> Finder:
    """Build the finder that this run has trained. Raises UsageError while it is not finished."""
    import safetensors.torch

    from vision.finder import finder_of

    path = out / "finder.safetensors"
    if not path.is_file():
        raise click.UsageError(f"{path} is missing: the embedder learns from what the finder finds; train that first")
    return finder_of(safetensors.torch.load_file(path), edge=recipe.finder.edge, most=_CLIPPINGS)


def _marks(recipe: Recipe, out: Path, data: Path) -> Studio:
    """Gather marks and grounds, and what the run's finder finds in the photos. Raises as `_finder`."""
    photos = [row.images[0] for name in (_CLOTHING, _GROCERY) for row in _rows(data / name, recipe)]
    return _studio(recipe, out, data, photos, finder=_finder(out, recipe))


def _studio(recipe: Recipe, out: Path, data: Path, photos: list[Path], *, finder: Finder | None = None) -> Studio:
    from training.artworks import load_artworks
    from training.clippings import Clippings
    from training.grounds import Grounds
    from training.scenes import Studio
    from training.wordmarks import Wordmarks, installed_fonts

    artworks = load_artworks(data / _LOGOS, out / "artworks.npz", most=recipe.most_artworks)
    grounds = Grounds(photos)
    clippings = Clippings.find(grounds.photos, finder) if finder else None
    return Studio(artworks, Wordmarks(installed_fonts()), grounds, clippings)


def _products(recipe: Recipe, data: Path) -> list[ProductPhoto]:
    from training.product_task import ProductPhoto

    clothes = [
        ProductPhoto(row.images[0], "clothing", row.labels.category or "") for row in _rows(data / _CLOTHING, recipe)
    ]
    groceries = [
        ProductPhoto(row.images[0], "grocery", row.labels.brand or "") for row in _rows(data / _GROCERY, recipe)
    ]
    return clothes + groceries


def _rows(manifest: Path, recipe: Recipe) -> list[ListingRow]:
    """Read a manifest, or for a recipe with fewer photos about so many of its rows, evenly spread."""
    rows = list(read_listings(manifest))
    return rows if recipe.most_photos is None else rows[:: max(len(rows) // recipe.most_photos, 1)]
