"""How do crops of any size become the one tensor a network takes? Resized and normalised on its device.

The recipe is data (`Preprocessing`): it is read from a model's manifest or from open_clip's configuration, it is part
of the model's fingerprint, and it is followed with torchvision.transforms.v2 on a CPU and on a GPU alike.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError

if TYPE_CHECKING:
    import torch


class ResizeMode(enum.StrEnum):
    """How a crop of another aspect meets the network's input; open_clip's names."""

    SQUASH = "squash"  # both edges to the input's, aspect not kept
    SHORTEST = "shortest"  # the middle of the crop, aspect kept
    LONGEST = "longest"  # the whole crop, aspect kept, padded with `fill`


class Interpolation(enum.StrEnum):
    """How pixels are weighed; always antialiased, or a small mark would turn into moiré."""

    BICUBIC = "bicubic"
    BILINEAR = "bilinear"


@dataclass(frozen=True)
class Preprocessing:
    """The recipe of one model."""

    size: tuple[int, int]  # height, width of the network's input in pixels
    mean: tuple[float, float, float]  # of RGB in 0..1
    std: tuple[float, float, float]
    interpolation: Interpolation = Interpolation.BICUBIC
    resize_mode: ResizeMode = ResizeMode.SQUASH
    fill: int = 0  # grey value 0..255 around a crop in mode LONGEST
    mark_size: tuple[int, int] | None = None  # the input's size for crops of marks; None: as for whole images

    def __post_init__(self) -> None:
        for size in (self.size, self.mark_size or self.size):
            if not (len(size) == 2 and all(32 <= edge <= 2048 for edge in size)):
                raise ModelError(f"preprocessing size {size} is out of range: give height and width, 32..2048 pixels")
        if len(self.mean) != 3 or len(self.std) != 3 or not all(deviation > 0 for deviation in self.std):
            raise ModelError(f"preprocessing mean {self.mean}, std {self.std}: give three numbers each, std above 0")
        if not 0 <= self.fill <= 255:
            raise ModelError(f"preprocessing fill {self.fill} is out of range: give a grey value, 0..255")


def for_marks(preprocessing: Preprocessing) -> Preprocessing:
    """Return the recipe for crops of marks: the same at its mark size."""
    return replace(preprocessing, size=preprocessing.mark_size or preprocessing.size)


def prepare(
    crops: Sequence[NDArray[np.uint8]], preprocessing: Preprocessing, *, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Turn RGB `crops`, each uint8 [H, W, 3], into float32 [n, 3, height, width], normalised, channels last.

    The work happens on `device`. To a GPU crops of one size travel together; each is resized from its own pixels alone.
    """
    import torch

    recipe = (preprocessing.mean, preprocessing.std)
    mean, std = (255 * torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1) for values in recipe)
    return resize(crops, preprocessing, device=device).permute(0, 3, 1, 2).sub(mean).div_(std)


def resize(
    crops: Sequence[NDArray[np.uint8]], preprocessing: Preprocessing, *, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Bring RGB `crops`, each uint8 [H, W, 3], to the input's size: uint8 [n, height, width, 3] on `device`.

    What already has that size is taken as it is, so that a second call changes nothing.
    """
    import torch

    if torch.device(device).type == "cpu":
        return torch.from_numpy(resize_here(crops, preprocessing))
    batch = torch.empty((len(crops), *preprocessing.size, 3), dtype=torch.uint8, device=device)
    by_size: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, crop in enumerate(crops):
        by_size[crop.shape].append(place)
    for places in by_size.values():  # from pinned memory the copy runs beside the GPU's work; not run on one yet
        same = torch.from_numpy(np.stack([crops[place] for place in places])).pin_memory()
        same = same.to(device, non_blocking=True)
        batch[places] = _resize(same.permute(0, 3, 1, 2), preprocessing).permute(0, 2, 3, 1)
    return batch


def resize_here(crops: Sequence[NDArray[np.uint8]], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Do as `resize` on this thread of the CPU alone: uint8 [n, height, width, 3].

    One by one, which takes as long as together and stacks nothing. NumPy copies what torch resized: torch would with
    all cores, and its OpenMP threads would then spin for milliseconds on those that run a network.
    """
    import torch

    batch = np.empty((len(crops), *preprocessing.size, 3), np.uint8)
    for place, crop in enumerate(crops):
        own = torch.from_numpy(np.ascontiguousarray(crop))[None]
        batch[place] = _resize(own.permute(0, 3, 1, 2), preprocessing)[0].permute(1, 2, 0).numpy()
    return batch


def _resize(images: torch.Tensor, preprocessing: Preprocessing) -> torch.Tensor:
    """Resize uint8 [n, 3, H, W] to the input's size by the recipe's mode."""
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as pixels

    height, width = preprocessing.size
    mode = preprocessing.resize_mode
    inner = [height, width]
    if mode is ResizeMode.SHORTEST:
        # Cut first, then resize: the other order makes a 1 x 1280 crop a quarter of a million pixels wide.
        scale = min(images.shape[2] / height, images.shape[3] / width)
        images = pixels.center_crop(images, [max(1, round(height * scale)), max(1, round(width * scale))])
    elif mode is ResizeMode.LONGEST:
        scale = min(height / images.shape[2], width / images.shape[3])
        inner = [max(1, round(images.shape[2] * scale)), max(1, round(images.shape[3] * scale))]
    interpolation = InterpolationMode(preprocessing.interpolation.value)
    resized: torch.Tensor = pixels.resize(images, inner, interpolation=interpolation, antialias=True)
    if mode is ResizeMode.LONGEST:
        left, top = (width - inner[1]) // 2, (height - inner[0]) // 2
        padding = [left, top, width - inner[1] - left, height - inner[0] - top]
        resized = pixels.pad(resized, padding, fill=preprocessing.fill)
    return resized
