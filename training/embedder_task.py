"""What the embedder of marks learns: views of one mark lie together, and real photos look as they did to ImageNet."""

from __future__ import annotations

import copy
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
from training.recipes import Recipe
from training.scenes import Studio
from training.trunk import features_of, freeze, normalised, stack
from vision.folding import fold


@dataclass(frozen=True, eq=False)
class EmbedderBatch:
    """Views uint8 [2n, 3, e, e] with marks int64 [2n]: one of each pair, then the others in the same order.

    The last `real` pairs are parts of real photos.
    """

    views: torch.Tensor
    marks: torch.Tensor
    real: int


class EmbedderTask:
    """Pairs of views in, losses out: see `training.loop.Task`."""

    name = "embedder"

    def __init__(self, trunk: Any, studio: Studio, recipe: Recipe) -> None:
        fold(trunk)
        self.stage = recipe.embedder
        self._recipe = recipe
        self._studio = studio
        self.network: nn.Module = trunk.to(memory_format=torch.channels_last)
        freeze(trunk, self.stage.frozen)
        self._teacher = copy.deepcopy(trunk).requires_grad_(False)

    def batch(self, random: np.random.Generator) -> EmbedderBatch:
        """Make a step's views."""
        one, other, names = self._studio.pairs(self.stage.batch, self.stage.edge, random)
        marks = torch.tensor([_identity(name) for name in names]).repeat(2)
        return EmbedderBatch(stack([*one, *other]), marks, sum(name.startswith("real/") for name in names))

    def losses(self, batch: EmbedderBatch) -> Mapping[str, torch.Tensor]:
        """Contrast of marks, and real views' distance from the teacher."""
        pictures = normalised(batch.views)
        views = functional.normalize(features_of(self.network, pictures, frozen=self.stage.frozen))
        return {
            "marks": contrast(views, batch.marks, temperature=self._recipe.temperature),
            "kept": self._recipe.keep_weight * self._distance(views, pictures, batch.real),
        }

    def _distance(self, views: torch.Tensor, pictures: torch.Tensor, real: int) -> torch.Tensor:
        """Measure how far one view of each real mark lies from where ImageNet's weights see it, 0..2."""
        if not real:
            return views.new_zeros(())
        ours = slice(len(views) // 2 - real, len(views) // 2)
        with torch.no_grad():
            taught = functional.normalize(features_of(self._teacher, pictures[ours], frozen=0))
        return (1 - (views[ours] * taught).sum(dim=1)).mean()


def _identity(name: str) -> int:
    """Give a mark a number, the same in every process: sets that hold a sign under the same name mean one mark."""
    source, _, rest = name.partition("/")
    compact = re.sub(r"(?:[^a-z0-9]+(?:icon|logo|logomark|symbol))+$", "", rest.removesuffix(".svg").lower())
    key = name if source in {"word", "real"} else re.sub(r"[^a-z0-9]+", "", compact)
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2
