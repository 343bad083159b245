"""How do networks become a model repository of a Triton server? A folder each, with configuration, code and weights.

    DIR/
      touchstone-s-5f8e1f0f2c9d-images/
        config.pbtxt          batching, instances, warm-up; the model's fingerprint among its parameters
        1/model.py            one import: the code is `vision.triton.backend`
        1/manifest.json       preprocessing, and the sha256 of the weights beside it
        1/model.safetensors   one network; a model's text tower stays with the service
      touchstone-s-5f8e1f0f2c9d-marks/
      mark-finder-19fd8fe4212c-boxes/

What is written is loaded again and compared with its source before it gets its name.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.model_folder import Part, write_json, write_manifest, write_part
from training.triton_config import Serving, config_text
from vision.checkpoint import MANIFEST, VISUAL
from vision.errors import ModelError
from vision.finder import FINDER, WEIGHTS, FinderManifest, input_of, load_finder
from vision.finder import MANIFEST as FINDER_MANIFEST
from vision.forward import AUTO, choose_path, plainest
from vision.preprocessing import Preprocessing, for_marks
from vision.triton.backend import Answer, load_answer
from vision.triton.embedder import has_marks_of_its_own
from vision.triton.finder import finder_fingerprint, pack_regions
from vision.triton.naming import BOXES, IMAGES, MARKS, Served, model_name

if TYPE_CHECKING:
    import torch

    from vision.networks import LoadedNetwork

_CODE = """# Written by `touchstone export-triton`. The server's Python needs Touchstone, with torch.
from vision.triton.backend import TritonPythonModel as TritonPythonModel
"""
_SAME = 1e-4
"""How far an answer may lie from that of the network it was written from."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network to write: what it answers for, how its folder is filled, and what it answers before."""

    role: str
    fingerprint: str
    recipe: Preprocessing
    dim: int  # of a row; for boxes unused
    answer: Answer
    fill: Callable[[Path], Path]  # writes weights and manifest into a folder, and returns the manifest

    @property
    def name(self) -> str:
        """The model's name in the repository."""
        return model_name(self.fingerprint, self.role)


def write_repository(folder: Path, loaded: LoadedNetwork, serving: Serving) -> list[Network]:
    """Write the networks of `loaded` and the shipped finder into the repository `folder`, beside what is there.

    What is there already as it would be written stays as it is, so this can be done at every start.

    Raises:
        ModelError: the version is there with other settings; a network answers otherwise when it is loaded again; or
            the path does not run on the instances' device.
        CheckpointError: the finder's files are not whole.

    """
    choose_path(serving.forward, "cuda" if serving.gpu else "cpu")
    networks = [*_embedders(loaded, serving), _finder(serving)]
    for network in networks:
        _write(folder, network, serving)
    return networks


def _embedders(loaded: LoadedNetwork, serving: Serving) -> Iterator[Network]:
    from vision.clip import TorchEmbedder

    # Before an embedder makes of them what its device computes best.
    images = _tensors_of(loaded.network.visual)
    marks = images if loaded.marks is None else _tensors_of(loaded.marks)
    path = plainest(serving.forward)
    source = TorchEmbedder(loaded, device="cpu", batch_size=serving.batch_size, path=path)
    recipe = replace(loaded.preprocessing, mark_size=None)
    fill = _filler(loaded, images, recipe)
    yield Network(
        role=IMAGES, fingerprint=source.fingerprint, recipe=recipe, dim=loaded.dim, answer=source.embed, fill=fill
    )
    if has_marks_of_its_own(loaded):
        recipe = replace(for_marks(loaded.preprocessing), mark_size=None)
        fill = _filler(loaded, marks, recipe)
        name, answer = source.fingerprint, source.embed_marks
        yield Network(role=MARKS, fingerprint=name, recipe=recipe, dim=loaded.dim, answer=answer, fill=fill)


def _tensors_of(network: Any) -> dict[str, torch.Tensor]:
    return {f"visual.{name}": tensor.detach().clone().contiguous() for name, tensor in network.state_dict().items()}


def _filler(
    loaded: LoadedNetwork, tensors: Mapping[str, torch.Tensor], recipe: Preprocessing
) -> Callable[[Path], Path]:
    """Return what writes one network as a model folder of its own."""

    def fill(place: Path) -> Path:
        import safetensors.torch

        write_manifest(place, name="network", version="1", dtype="float32", dim=loaded.dim, preprocessing=recipe)
        write_json(place / "network.json", loaded.seeing)
        part = Part(
            file="model.safetensors",
            data=safetensors.torch.save(dict(tensors)),
            licence="its source's",
            source=loaded.name,
            remake="touchstone export-triton",
        )
        write_part(place, VISUAL, part)
        return place / MANIFEST

    return fill


def _finder(serving: Serving) -> Network:
    manifest = FinderManifest.load(FINDER)
    finder = load_finder(path=_path_here(serving))

    def fill(place: Path) -> Path:
        for file in (FINDER_MANIFEST, WEIGHTS):
            shutil.copyfile(FINDER / file, place / file)
        return place / FINDER_MANIFEST

    return Network(
        role=BOXES,
        fingerprint=finder_fingerprint(manifest),
        recipe=input_of(manifest.edge),
        dim=0,
        answer=lambda pictures: pack_regions(finder.find(pictures)),
        fill=fill,
    )


def _write(folder: Path, network: Network, serving: Serving) -> None:
    """Write one model whole, or nothing: a server that polls its repository never sees half of one."""
    home = folder / network.name
    place = home.with_name(f".{network.name}") / str(serving.version)
    shutil.rmtree(place.parent, ignore_errors=True)
    place.mkdir(parents=True)
    manifest = network.fill(place)
    (place / "model.py").write_text(_CODE, "utf-8")
    served = Served(
        role=network.role,
        fingerprint=network.fingerprint,
        manifest_sha256=hashlib.sha256(manifest.read_bytes()).hexdigest(),
        batch_size=serving.batch_size,
        threads=serving.threads,
        forward=serving.forward,
    )
    _check(network, load_answer(replace(served, forward=_path_here(serving)), place, device="cpu"))
    config = config_text(network.name, served, size=network.recipe.size, dim=network.dim, serving=serving)
    version = home / str(serving.version)
    if not version.exists():
        home.mkdir(parents=True, exist_ok=True)
        place.rename(version)
        (home / "config.pbtxt").write_text(config, "utf-8")
    elif (home / "config.pbtxt").read_text("utf-8") != config:
        raise ModelError(f"{version} is there with other settings: choose another folder, or another --version")
    shutil.rmtree(place.parent)


def _path_here(serving: Serving) -> str:
    """Name the path by which to try on this CPU what is written."""
    return AUTO if serving.forward == "cuda" else serving.forward


def _check(network: Network, answer: Answer) -> None:
    """Refuse what answers otherwise than the network it was written from."""
    pictures = _pictures(network.recipe)
    apart = float(np.abs(answer(pictures) - network.answer(pictures)).max())
    if not apart < _SAME:
        raise ModelError(f"{network.name} answers otherwise once it is written and read again ({apart:.1e} apart)")


def _pictures(recipe: Preprocessing) -> Sequence[NDArray[np.uint8]]:
    """Draw three pictures of the network's input size."""
    height, width = recipe.size
    ramp = np.linspace(0, 255, width, dtype=np.uint8)
    flat = np.broadcast_to(ramp[None, :, None], (height, width, 3))
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return [np.ascontiguousarray(flat), noise, np.ascontiguousarray(np.roll(flat, width // 3, axis=1)[:, :, ::-1])]
