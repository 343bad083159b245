"""What the embedder of photos learns: products keep apart, on a shelf or cut out, and ImageNet is not forgotten."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.camera import expose
from training.grounds import read_photo
from training.pixels import Pixels
from training.recipes import Recipe, Stage
from training.trunk import features_of, freeze, normalised, stack

_KEPT_EDGE = 320  # pixels of a photo's shorter edge in memory
_SHARPNESS = 16.0  # of the cosine classifier
_CUT_OUT = 0.25  # share of views with a plain ground, as in a catalogue


@dataclass(frozen=True)
class ProductPhoto:
    """A photo of a product and its class: the group is the data set, since classes of two sets never compete."""

    path: Path
    group: str
    label: str


@dataclass(frozen=True, eq=False)
class ProductBatch:
    """Views uint8 [n, 3, e, e] with their group and class, int64 [n]."""

    views: torch.Tensor
    groups: torch.Tensor
    classes: torch.Tensor


class ProductNetwork(nn.Module):
    """A trunk, and the classifiers of products that teach it; they do not ship."""

    def __init__(self, trunk: Any, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.classifiers = nn.ModuleList(nn.Linear(trunk.num_features, count, bias=False) for count in classes.values())


class ProductTask:
    """Photos of products in, losses out: see `training.loop.Task`."""

    name = "products"

    def __init__(self, trunk: Any, photos: Sequence[ProductPhoto], recipe: Recipe, stage: Stage) -> None:
        self.stage = stage
        self._recipe = recipe
        self._labels = {
            group: sorted({each.label for each in photos if each.group == group})
            for group in sorted({each.group for each in photos})
        }
        self._photos = [_read(each, self._labels) for each in photos]
        network = ProductNetwork(trunk, {group: len(labels) for group, labels in self._labels.items()})
        self.network: ProductNetwork = network.to(memory_format=torch.channels_last)
        freeze(trunk, self.stage.frozen)
        self._teacher = copy.deepcopy(trunk).requires_grad_(False)

    def to(self, device: str) -> None:
        """Move what learns, and its teacher, to a device of torch's."""
        self.network.to(device)
        self._teacher.to(device)

    def batch(self, random: np.random.Generator) -> ProductBatch:
        """Pick a step's photos and take a view of each."""
        chosen = [self._photos[place] for place in random.integers(len(self._photos), size=self.stage.batch)]
        return ProductBatch(
            stack([_view(pixels, self.stage.edge, random) for pixels, _, _ in chosen]),
            torch.tensor([group for _, group, _ in chosen]),
            torch.tensor([label for _, _, label in chosen]),
        )

    def losses(self, batch: ProductBatch) -> Mapping[str, torch.Tensor]:
        """Classes of products, and distance from the teacher."""
        network = self.network
        pictures = normalised(batch.views)
        views = functional.normalize(features_of(network.trunk, pictures, frozen=self.stage.frozen))
        with torch.no_grad():
            taught = functional.normalize(features_of(self._teacher, pictures, frozen=0))
        return {
            "products": _class_loss(network, views, batch),
            "kept": self._recipe.keep_weight * (1 - (views * taught).sum(dim=1)).mean(),
        }


def _class_loss(network: ProductNetwork, views: torch.Tensor, batch: ProductBatch) -> torch.Tensor:
    total = views.new_zeros(())
    for group, classifier in enumerate(network.classifiers):
        mine = batch.groups == group
        if mine.any():
            assert isinstance(classifier, nn.Linear)
            cosine = views[mine] @ functional.normalize(classifier.weight).T
            loss = functional.cross_entropy(_SHARPNESS * cosine, batch.classes[mine], label_smoothing=0.05)
            total = total + loss * mine.float().mean()
    return total


def _read(photo: ProductPhoto, labels: Mapping[str, Sequence[str]]) -> tuple[Pixels, int, int]:
    """Read a photo with the places of its group and of its class in that group."""
    group, label = list(labels).index(photo.group), labels[photo.group].index(photo.label)
    return read_photo(photo.path, edge=_KEPT_EDGE), group, label


def _view(pixels: Pixels, edge: int, random: np.random.Generator) -> Pixels:
    """Cut most of a photo out, uint8 [edge, edge, 3], mirrored or not, photographed anew, sometimes on plain ground."""
    height, width = pixels.shape[:2]
    shorter = min(height, width)
    down, across = (
        min(max(int(max(shorter, int(0.8 * whole)) * random.uniform(0.55, 1.0)), 8), whole) for whole in (height, width)
    )
    top, left = random.integers(height - down + 1), random.integers(width - across + 1)
    part = pixels[top : top + down, left : left + across]
    view = np.asarray(cv2.resize(part, (edge, edge), interpolation=cv2.INTER_AREA), np.uint8)
    if random.random() < 0.5:
        view = np.ascontiguousarray(view[:, ::-1])
    if random.random() < _CUT_OUT:
        view = _cut_out(view, random)
    return expose(view, random) if random.random() < 0.6 else view


def _cut_out(view: Pixels, random: np.random.Generator) -> Pixels:
    """Leave the middle on plain ground, as catalogues show products."""
    edge = len(view)
    middle = np.zeros((edge, edge), np.uint8)
    inset = (edge * random.uniform(0.02, 0.22, 4)).astype(int)
    cv2.rectangle(middle, (int(inset[0]), int(inset[1])), (edge - int(inset[2]), edge - int(inset[3])), 255, -1)
    if random.random() < 0.5:
        blurred = cv2.GaussianBlur(middle, (0, 0), edge * random.uniform(0.03, 0.1))
        middle = np.where(blurred > 127, 255, 0).astype(np.uint8)  # round corners
    tone = np.full(3, 255 if random.random() < 0.7 else random.uniform(0, 255), np.uint8)
    return np.where(middle[..., None] > 0, view, tone)
