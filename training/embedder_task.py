"""What the embedder learns: views of one mark lie together, products keep apart, and ImageNet is not forgotten."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from pytorch_metric_learning.losses import CrossBatchMemory, NTXentLoss
from torch import nn
from torch.nn import functional

from training.grounds import read_photo
from training.pixels import Pixels
from training.recipes import Recipe
from training.scenes import Studio
from vision.folding import fold

_KEPT_EDGE = 256  # pixels of a product photo in memory
_SHARPNESS = 16.0  # of the products' cosine classifier


@dataclass(frozen=True)
class ProductPhoto:
    """A photo of a product and its class: the group is the data set, since classes of two sets never compete."""

    path: Path
    group: str
    label: str


@dataclass(frozen=True, eq=False)
class EmbedderBatch:
    """Views uint8 [2n, 3, e, e] with marks int64 [2n]; products uint8 [m, 3, e, e], their group and class int64 [m]."""

    views: torch.Tensor
    marks: torch.Tensor
    products: torch.Tensor
    groups: torch.Tensor
    classes: torch.Tensor


class EmbedderNetwork(nn.Module):
    """A trunk, and the classifiers of products that teach it; they do not ship."""

    def __init__(self, trunk: Any, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.classifiers = nn.ModuleList(nn.Linear(trunk.num_features, count, bias=False) for count in classes.values())


class EmbedderTask:
    """Pairs of views in, losses out: see `training.loop.Task`."""

    name = "embedder"

    def __init__(self, trunk: Any, studio: Studio, products: Sequence[ProductPhoto], recipe: Recipe) -> None:
        fold(trunk)
        self.stage = recipe.embedder
        self._recipe = recipe
        self._studio = studio
        self._labels = {
            group: sorted({each.label for each in products if each.group == group})
            for group in sorted({each.group for each in products})
        }
        self._products = [_read(each, self._labels) for each in products]
        network = EmbedderNetwork(trunk, {group: len(labels) for group, labels in self._labels.items()})
        self.network: nn.Module = network.to(memory_format=torch.channels_last)
        for part in (trunk.conv_stem, *trunk.blocks[: self.stage.frozen]):
            part.requires_grad_(False)
        self._teacher = copy.deepcopy(trunk).requires_grad_(False)
        self._contrast = CrossBatchMemory(
            NTXentLoss(temperature=recipe.temperature), trunk.num_features, memory_size=recipe.memory
        )

    def batch(self, random: np.random.Generator) -> EmbedderBatch:
        """Make a step's views and pick its products."""
        one, other, names = self._studio.pairs(self.stage.batch, self.stage.edge, random)
        marks = torch.tensor([_identity(name) for name in names]).repeat(2)
        chosen = [self._products[place] for place in random.integers(len(self._products), size=self._recipe.products)]
        products = [_product_view(pixels, self.stage.edge, random) for pixels, _, _ in chosen]
        return EmbedderBatch(
            _stack([*one, *other]),
            marks,
            _stack(products),
            torch.tensor([group for _, group, _ in chosen]),
            torch.tensor([label for _, _, label in chosen]),
        )

    def losses(self, batch: EmbedderBatch) -> Mapping[str, torch.Tensor]:
        """Contrast of marks against this step's and earlier ones, classes of products, distance from the teacher."""
        network = self.network
        assert isinstance(network, EmbedderNetwork)
        pictures = _normalise(torch.cat([batch.views, batch.products]))
        features = _features(network.trunk, pictures, frozen=self.stage.frozen)
        marks, products = torch.split(functional.normalize(features), [len(batch.views), len(batch.products)])
        with torch.no_grad():
            taught = functional.normalize(_features(self._teacher, _normalise(batch.products), frozen=0))
        return {
            "marks": self._contrast(marks, batch.marks),
            "products": self._recipe.product_weight * self._product_loss(network, products, batch),
            "kept": self._recipe.keep_weight * (1 - (products * taught).sum(dim=1)).mean(),
        }

    def _product_loss(self, network: EmbedderNetwork, products: torch.Tensor, batch: EmbedderBatch) -> torch.Tensor:
        total = products.new_zeros(())
        for group, classifier in enumerate(network.classifiers):
            mine = batch.groups == group
            if mine.any():
                assert isinstance(classifier, nn.Linear)
                cosine = products[mine] @ functional.normalize(classifier.weight).T
                loss = functional.cross_entropy(_SHARPNESS * cosine, batch.classes[mine], label_smoothing=0.05)
                total = total + loss * mine.float().mean()
        return total


def _features(trunk: Any, pictures: torch.Tensor, *, frozen: int) -> torch.Tensor:
    """Pool the trunk's features, float32 [n, 1280]; the stem and the first `frozen` stages learn nothing."""
    with torch.set_grad_enabled(torch.is_grad_enabled() and frozen == 0):
        features = trunk.bn1(trunk.conv_stem(pictures))
        for block in trunk.blocks[:frozen]:
            features = block(features)
    for block in trunk.blocks[frozen:]:
        features = block(features)
    pooled: torch.Tensor = trunk.bn2(trunk.conv_head(features)).mean(dim=(2, 3))
    return pooled


def _normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Bring uint8 [n, 3, e, e] to -1..1, as the trunk's ImageNet weights expect, channels last."""
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def _identity(name: str) -> int:
    """Give a mark a number, the same in every process: sets that hold a sign under the same name mean one mark."""
    source, _, rest = name.partition("/")
    compact = re.sub(r"(?:[^a-z0-9]+(?:icon|logo|logomark|symbol))+$", "", rest.removesuffix(".svg").lower())
    key = name if source == "word" else re.sub(r"[^a-z0-9]+", "", compact)
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2


def _read(photo: ProductPhoto, labels: Mapping[str, Sequence[str]]) -> tuple[Pixels, int, int]:
    """Read a photo with the places of its group and of its class in that group."""
    group, label = list(labels).index(photo.group), labels[photo.group].index(photo.label)
    return read_photo(photo.path, edge=_KEPT_EDGE), group, label


def _product_view(pixels: Pixels, edge: int, random: np.random.Generator) -> Pixels:
    """Cut most of a photo out, uint8 [edge, edge, 3], mirrored or not, in other light."""
    height, width = pixels.shape[:2]
    down, across = (max(int(whole * random.uniform(0.6, 1.0)), 8) for whole in (height, width))
    top, left = random.integers(height - down + 1), random.integers(width - across + 1)
    part = pixels[top : top + down, left : left + across]
    view = np.asarray(cv2.resize(part, (edge, edge), interpolation=cv2.INTER_AREA), np.uint8)
    if random.random() < 0.5:
        view = view[:, ::-1]
    if random.random() < 0.6:
        gain = random.uniform(0.8, 1.2, 3).astype(np.float32) * np.float32(random.uniform(0.8, 1.2))
        view = np.clip(view * gain + np.float32(random.uniform(-20, 20)), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(view)


def _stack(pictures: Sequence[Pixels]) -> torch.Tensor:
    """Stack pictures [e, e, 3] of one size to a tensor [n, 3, e, e]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
