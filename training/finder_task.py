"""What the finder learns: where the marks of a scene are, whatever marks they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from torchvision.ops import generalized_box_iou_loss

from training.recipes import Stage
from training.scenes import Studio
from vision.finder_network import STRIDE, FinderNetwork, boxes_of

# A centre's neighbours are centres a little: a Gaussian of this share of the box's edges (CenterNet uses an overlap
# rule to the same end).
_SPREAD = 0.12
_NEAR = 0.5  # where that Gaussian is above this, the sides are learnt as well


@dataclass(frozen=True, eq=False)
class FinderBatch:
    """Pictures uint8 [n, 3, h, w]; centres float32 [n, 1, h/8, w/8], 0..1; boxes float32 [n, 4, h/8, w/8] in pixels."""

    pictures: torch.Tensor
    centres: torch.Tensor
    boxes: torch.Tensor


class FinderTask:
    """Scenes in, losses out: see `training.loop.Task`."""

    name = "finder"

    def __init__(self, trunk: Any, studio: Studio, stage: Stage) -> None:
        self.network: torch.nn.Module = FinderNetwork(trunk).train()
        self.network.to(memory_format=torch.channels_last)
        self.stage = stage
        self._studio = studio

    def to(self, device: str) -> None:
        """Move what learns to a device of torch's."""
        self.network.to(device)

    def batch(self, random: np.random.Generator) -> FinderBatch:
        """Make a step's scenes."""
        scenes = [self._studio.scene(self.stage.edge, random) for _ in range(self.stage.batch)]
        targets = [targets_of(scene.boxes, self.stage.edge) for scene in scenes]
        return FinderBatch(
            torch.from_numpy(np.stack([scene.picture for scene in scenes])).permute(0, 3, 1, 2),
            torch.from_numpy(np.stack([centres for centres, _ in targets])),
            torch.from_numpy(np.stack([boxes for _, boxes in targets])),
        )

    def losses(self, batch: FinderBatch) -> Mapping[str, torch.Tensor]:
        """Focal loss on centres, generalised IoU on boxes."""
        network = self.network
        assert isinstance(network, FinderNetwork)
        pictures = (batch.pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        logits, sides = network.heads(network.trunk(pictures, frozen=self.stage.frozen))
        marks = (batch.centres == 1).sum().clamp(min=1)
        near = batch.centres > _NEAR
        place = near.nonzero()
        found = boxes_of(sides)[place[:, 0], :, place[:, 2], place[:, 3]]
        truth = batch.boxes[place[:, 0], :, place[:, 2], place[:, 3]]
        weight = batch.centres[near]
        fit = generalized_box_iou_loss(found, truth)
        return {
            "centres": focal_loss(logits, batch.centres) / marks,
            "boxes": (fit * weight).sum() / weight.sum().clamp(min=1),
        }


def targets_of(boxes: NDArray[np.int32], edge: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw the map that boxes [n, 4] in pixels should give: centres [1, m, m] and, near them, the boxes [4, m, m]."""
    size = edge // STRIDE
    centres, sides = np.zeros((1, size, size), np.float32), np.zeros((4, size, size), np.float32)
    for x1, y1, x2, y2 in boxes:
        column, row = (min(int((low + high) / 2 / STRIDE), size - 1) for low, high in ((x1, x2), (y1, y2)))
        across = np.arange(size) - column
        down = np.arange(size) - row
        spread_x, spread_y = (max((high - low) / STRIDE * _SPREAD, 0.5) for low, high in ((x1, x2), (y1, y2)))
        hill = np.exp(-((across[None] / spread_x) ** 2 + (down[:, None] / spread_y) ** 2) / 2).astype(np.float32)
        higher = hill > centres[0]
        centres[0] = np.maximum(centres[0], hill)
        sides[:, higher] = np.array([x1, y1, x2, y2], np.float32)[:, None]
    return centres, sides


def focal_loss(logits: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """Sum CenterNet's focal loss: places that are no centre count less the nearer they are to one (alpha 2, beta 4)."""
    chance = torch.sigmoid(logits)
    at = centres == 1
    hit = functional.logsigmoid(logits) * (1 - chance) ** 2
    miss = functional.logsigmoid(-logits) * chance**2 * (1 - centres) ** 4
    return -torch.where(at, hit, miss).sum()
