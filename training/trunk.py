"""How is timm's EfficientNet-Lite0 trained here? The package's weights, what stays frozen, features from pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from training.pixels import Pixels
from vision.folding import fold


def start_trunk() -> Any:
    """Build timm's EfficientNet-Lite0 with the pinned package's ImageNet weights, folded, without its classifier."""
    import timm

    from training.convert_touchstone_s import convert, read_package

    trunk = timm.create_model("tf_efficientnet_lite0", num_classes=0)
    trunk.load_state_dict({name.removeprefix("visual.trunk."): each for name, each in convert(read_package()).items()})
    fold(trunk)
    return trunk


def freeze(trunk: Any, stages: int) -> None:
    """Let the stem and the first `stages` stages learn nothing."""
    for part in (trunk.conv_stem, *trunk.blocks[:stages]):
        part.requires_grad_(False)


def features_of(trunk: Any, pictures: torch.Tensor, *, frozen: int) -> torch.Tensor:
    """Pool the features of a folded trunk, float32 [n, 1280]; the stem and the first `frozen` stages learn nothing."""
    with torch.set_grad_enabled(torch.is_grad_enabled() and frozen == 0):
        features = trunk.bn1(trunk.conv_stem(pictures))
        for block in trunk.blocks[:frozen]:
            features = block(features)
    for block in trunk.blocks[frozen:]:
        features = block(features)
    pooled: torch.Tensor = trunk.bn2(trunk.conv_head(features)).mean(dim=(2, 3))
    return pooled


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Bring uint8 [n, 3, e, e] to -1..1, as the trunk's ImageNet weights expect, channels last."""
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def stack(pictures: Sequence[Pixels]) -> torch.Tensor:
    """Stack pictures [e, e, 3] of one size to a tensor [n, 3, e, e]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
