"""Where in a photo are marks? One small network looks once at the whole photo and names a few boxes.

The boxes go on to the embedder, whichever model that is: so a hub model profits from the same finder. A finder knows
no brand; it was trained on rendered marks (`training.finder_task`), and none of the brands held out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vision.checkpoint import MODELS
from vision.errors import CheckpointError
from vision.forward import AUTO, EAGER, choose_path, through
from vision.preprocessing import Preprocessing
from vision.regions import GRID, WHOLE_IMAGE, Box, Region, windows

FINDER = MODELS / "mark-finder"
MANIFEST, WEIGHTS = "finder.json", "finder.safetensors"
FORMAT_VERSION = 1

MOST = 2
"""Boxes a photo, to which the photo as a whole is added.

On FlickrLogos-27 that named 0.793 of the brands by embeddings alone, three boxes at the same cost 0.778; with five
examples a brand 0.719 and 0.711, with clean marks 0.305 and 0.267. Of `eval marks`' marks two boxes name as many.
"""

# Multiply-adds of the network, by those of EfficientNet-Lite0, whose last stages it lacks: 347,624,032 of 383,907,552
# with 224 x 224, counted over every convolution and matrix product.
_SHARE = 0.9055

_CANDIDATES = 40
WHOLE = Region(WHOLE_IMAGE, "whole", confidence=0.0)
"""What a finder names last in any photo."""

_SAME = 0.5  # intersection over union from which two boxes mean one mark
_SMALLEST = 0.015  # of the photo's edge: a crop of fewer pixels resembles everything
_RESTORE = "restore vision/models/mark-finder, or write it again with `touchstone train` and `python -m training.ship`"


class Finder(Protocol):
    """Photos in, boxes out. One thread at a time calls `find`; whoever batches owns that thread."""

    @property
    def forwards(self) -> float:
        """Work done so far, to add to `Embedder.forwards`: multiply-adds, by those of one whole image."""

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name the regions of each RGB photo, uint8 [H, W, 3], that may show a mark, likeliest first."""


class GridFinder:
    """Looks everywhere: windows of two sizes in any photo. For embedders without a network, and to compare with."""

    @property
    def forwards(self) -> float:
        """Nothing: no network looks."""
        return 0.0

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name the same windows in each photo."""
        found = tuple(Region(box, f"grid{level.count}") for level in GRID for box in windows(level))
        return [found for _ in photos]


@dataclass(frozen=True, kw_only=True)
class FinderManifest:
    """What stands beside a finder's weights."""

    sha256: str
    edge: int  # pixels of the square that a photo is squashed to
    remake: str

    @classmethod
    def load(cls, folder: Path) -> FinderManifest:
        """Read it; raises CheckpointError."""
        path = folder / MANIFEST
        try:
            document = json.loads(path.read_text())
            found = cls(sha256=str(document["sha256"]), edge=int(document["edge"]), remake=str(document["remake"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{path} is no finder's manifest ({error!r}): {_RESTORE}") from error
        if document.get("format_version") != FORMAT_VERSION or found.edge % 32 or not 64 <= found.edge <= 1024:
            raise CheckpointError(
                f"{path} must have format_version {FORMAT_VERSION} and an edge of 64..1024, "
                f"a multiple of 32: {_RESTORE}"
            )
        return found


def input_of(edge: int) -> Preprocessing:
    """Say how a photo becomes the input of a finder whose edge has `edge` pixels."""
    return Preprocessing(size=(edge, edge), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def cost_of(*, edge: int) -> float:
    """Return what a look at one photo costs, in whole-image forwards."""
    return _SHARE * (edge / 224) ** 2


class MarkFinder:
    """The shipped network on one device; make one with `load_finder`."""

    def __init__(self, network: Any, *, edge: int, device: str, most: int = MOST, path: str = EAGER) -> None:
        self._see = through(network, path, device=device)
        self._recipe = input_of(edge)
        self._most = most
        self._forwards = 0.0

    @property
    def forwards(self) -> float:
        """Work done so far: multiply-adds, by those of EfficientNet-Lite0 for one whole image."""
        return self._forwards

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name at most `most` boxes in each photo, likeliest first, and last the whole of it.

        Where a photo shows no mark the boxes are guesses; the whole serves marks that fill it or were passed over.
        """
        import torch

        if not photos:
            return []
        with torch.inference_mode():
            centres, sides = self._see(photos, self._recipe)
            self._forwards += len(photos) * cost_of(edge=self._recipe.size[0])
            return [(*self._read(*maps), WHOLE) for maps in zip(centres, sides, strict=True)]

    def _read(self, centres: Any, sides: Any) -> tuple[Region, ...]:
        """Read one photo's regions off its maps: the peaks, less those that another covers."""
        import torch
        from torch.nn import functional
        from torchvision.ops import clip_boxes_to_image, nms

        from vision.finder_network import boxes_of

        edge = self._recipe.size[0]
        chance = torch.sigmoid(centres)
        peaks = torch.where(functional.max_pool2d(chance, 3, stride=1, padding=1) == chance, chance, 0.0).flatten()
        score, place = peaks.topk(min(_CANDIDATES, len(peaks)))
        boxes = clip_boxes_to_image(boxes_of(sides[None])[0].flatten(1)[:, place].T.contiguous(), (edge, edge))
        large = ((boxes[:, 2:] - boxes[:, :2]).min(dim=1).values >= _SMALLEST * edge) & (score > 0)
        boxes, score = boxes[large], score[large]
        kept = nms(boxes, score, _SAME)[: self._most]
        return tuple(
            Region(Box(*(min(max(value / edge, 0.0), 1.0) for value in box)), "mark", confidence=likely)
            for box, likely in zip(boxes[kept].tolist(), score[kept].tolist(), strict=True)
        )


def load_finder(folder: Path = FINDER, *, device: str = "cpu", most: int = MOST, path: str = AUTO) -> MarkFinder:
    """Build the shipped finder, of at most `most` boxes a photo, on a device of torch's, such as `cpu` or `cuda:0`.

    `path` is one of vision.forward.

    Raises:
        CheckpointError: the weights or their manifest are missing, corrupt or of another network.
        ModelError: the path does not run on the device.

    """
    import safetensors.torch

    manifest = FinderManifest.load(folder)
    file = folder / WEIGHTS
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror}): {_RESTORE}") from error
    if hashlib.sha256(data).hexdigest() != manifest.sha256:
        raise CheckpointError(f"{file} is not the file that finder.json names: {_RESTORE}")
    try:
        weights = safetensors.torch.load(data)
        return finder_of(weights, edge=manifest.edge, device=device, most=most, path=choose_path(path, device))
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{file} does not fit this network ({error}): {_RESTORE}") from error


def finder_of(
    weights: Mapping[str, Any], *, edge: int, device: str = "cpu", most: int = MOST, path: str = "channels_last"
) -> MarkFinder:
    """Build a finder for inputs of `edge` pixels from its network's tensors by name.

    Raises:
        RuntimeError: they do not fit the network.

    """
    import timm

    from vision.finder_network import FinderNetwork
    from vision.folding import fold

    trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    fold(trunk)
    network = FinderNetwork(trunk)
    network.load_state_dict(weights)
    return MarkFinder(network.float(), edge=edge, device=device, most=most, path=path)
