"""What finds marks? A small fully convolutional network: a picture in, a map of how likely a mark is centred where.

EfficientNet-Lite0 up to stride 32 (Tan & Le 2019), a feature pyramid down to stride 8 (Lin et al. 2017), and two heads:
the centres of marks (Zhou et al., "Objects as points", 2019) and the distances from there to the four sides of the box
(Tian et al., FCOS, 2019).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

STRIDE = 8
"""Pixels of the input between two places of the map."""

_WIDTH = 64
_RARE = -4.6  # logit of the share of places that are centres before anything is learnt: about 1%


class FinderNetwork(nn.Module):
    """Pictures float32 [n, 3, h, w], -1..1, h and w multiples of 32, into centres and sides on a map of stride 8."""

    def __init__(self, trunk: Any) -> None:
        """Build the network on the first six stages of a timm EfficientNet-Lite0."""
        super().__init__()
        self.stem = nn.Sequential(trunk.conv_stem, trunk.bn1)
        self.stages = nn.ModuleList(trunk.blocks[:6])
        self.lateral = nn.ModuleDict({"2": _pointwise(40), "4": _pointwise(112), "5": _pointwise(192)})
        self.blend = nn.Sequential(_separable(), _separable())
        self.centres = nn.Conv2d(_WIDTH, 1, 1)
        self.sides = nn.Conv2d(_WIDTH, 4, 1)
        nn.init.constant_(_bias(self.centres), _RARE)
        nn.init.constant_(_bias(self.sides), 1.0)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of centres [n, 1, h/8, w/8] and the sides' distances [n, 4, h/8, w/8]: see `heads`."""
        return self.heads(self.trunk(pictures, frozen=0))

    def trunk(self, pictures: torch.Tensor, *, frozen: int) -> list[torch.Tensor]:
        """Return the features at strides 8, 16 and 32; the stem and the first `frozen` stages learn nothing."""
        taken = []
        with torch.set_grad_enabled(torch.is_grad_enabled() and frozen == 0):
            features = self.stem(pictures)
            for stage in self.stages[:frozen]:
                features = stage(features)
        for number, stage in enumerate(self.stages):
            if number >= frozen:
                features = stage(features)
            if str(number) in self.lateral:
                taken.append(features)
        return taken

    def heads(self, features: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Merge the pyramid and read off it centres, and the pixels to the left, top, right and bottom side."""
        merged: torch.Tensor | None = None
        for lateral, level in zip(reversed(list(self.lateral.values())), reversed(features), strict=True):
            here = lateral(level)
            merged = here if merged is None else here + functional.interpolate(merged, size=here.shape[2:])
        assert merged is not None
        merged = self.blend(merged)
        return self.centres(merged), STRIDE * torch.exp(self.sides(merged).clamp(-4, 4))


def boxes_of(sides: torch.Tensor) -> torch.Tensor:
    """Turn distances [n, 4, h, w] to the left, top, right and bottom side into boxes [n, 4, h, w] in pixels."""
    rows, columns = (torch.arange(edge, dtype=sides.dtype, device=sides.device) for edge in sides.shape[2:])
    x, y = (columns + 0.5) * STRIDE, ((rows + 0.5) * STRIDE)[:, None]
    left, top, right, bottom = sides.unbind(1)
    return torch.stack([x - left, y - top, x + right, y + bottom], dim=1)


def _bias(convolution: nn.Conv2d) -> torch.Tensor:
    assert convolution.bias is not None
    return convolution.bias


def _pointwise(channels: int) -> nn.Module:
    """Bring a stage's channels to the pyramid's."""
    return nn.Conv2d(channels, _WIDTH, 1)


def _separable() -> nn.Module:
    """Look 5 x 5 places around for the price of a pointwise layer (MobileNet's split of a convolution)."""
    return nn.Sequential(
        nn.Conv2d(_WIDTH, _WIDTH, 5, padding=2, groups=_WIDTH),
        nn.Conv2d(_WIDTH, _WIDTH, 1),
        nn.GroupNorm(8, _WIDTH),
        nn.ReLU(inplace=True),
    )
