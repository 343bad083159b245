"""What an embedder of marks learns: views of one mark lie together; photos of products, if it sees any, as before."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from training.contrast import contrast
from training.product_task import ProductBatch, ProductTask
from training.recipes import Recipe, Stage
from training.scenes import Studio
from training.trunk import features_of, freeze, normalised, stack

_PROJECTED = 256  # numbers of a projected view
_SCALE = 32.0  # of unit rows before the projection, so that each number is about 1


@dataclass(frozen=True, eq=False)
class EmbedderBatch:
    """Views uint8 [2n, 3, e, e] with marks int64 [2n]: one of each pair, then the others in the same order."""

    views: torch.Tensor
    marks: torch.Tensor
    products: ProductBatch | None


class EmbedderNetwork(nn.Module):
    """A trunk and the projection in which views are contrasted; only the trunk ships.

    What tells the rendered pairs apart and is of no use elsewhere stays in the projection (Chen et al., "A simple
    framework for contrastive learning", 2020, section 4.2).
    """

    def __init__(self, trunk: Any, classifiers: nn.ModuleList | None) -> None:
        super().__init__()
        self.trunk = trunk
        dim = trunk.num_features
        self.projection = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, _PROJECTED))
        self.classifiers = classifiers


class EmbedderTask:
    """Pairs of views in, losses out: see `training.loop.Task`."""

    def __init__(
        self,
        name: str,
        trunk: Any,
        studio: Studio,
        recipe: Recipe,
        stage: Stage,
        beside: ProductTask | None = None,
    ) -> None:
        """Teach `trunk` marks, and products `beside` them if that task has the same trunk."""
        self.name = name
        self.stage = stage
        self._recipe = recipe
        self._studio = studio
        self._beside = beside
        freeze(trunk, stage.frozen)
        network = EmbedderNetwork(trunk, beside.network.classifiers if beside else None)
        self.network: EmbedderNetwork = network.to(memory_format=torch.channels_last)

    def to(self, device: str) -> None:
        """Move everything that computes to a device of torch's."""
        self.network.to(device)
        if self._beside:
            self._beside.to(device)

    def batch(self, random: np.random.Generator) -> EmbedderBatch:
        """Make a step's views."""
        one, other, names = self._studio.pairs(self.stage.batch, self.stage.edge, random)
        marks = torch.tensor([_identity(name) for name in names]).repeat(2)
        return EmbedderBatch(stack([*one, *other]), marks, self._beside.batch(random) if self._beside else None)

    def losses(self, batch: EmbedderBatch) -> Mapping[str, torch.Tensor]:
        """Contrast of marks; of products beside them, their classes and the distance from ImageNet's weights."""
        features = features_of(self.network.trunk, normalised(batch.views), frozen=self.stage.frozen)
        projected = self.network.projection(_SCALE * functional.normalize(features))
        loss = contrast(functional.normalize(projected), batch.marks, temperature=self._recipe.temperature)
        beside = self._beside.losses(batch.products) if self._beside and batch.products else {}
        return {"marks": loss, **beside}


def _identity(name: str) -> int:
    """Give a mark a number, the same in every process: sets that hold a sign under the same name mean one mark."""
    source, _, rest = name.partition("/")
    compact = re.sub(r"(?:[^a-z0-9]+(?:icon|logo|logomark|symbol))+$", "", rest.removesuffix(".svg").lower())
    key = name if source in {"word", "real"} else re.sub(r"[^a-z0-9]+", "", compact)
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2
