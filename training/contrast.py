"""Which views show the same mark? The contrastive loss within a batch.

InfoNCE (van den Oord et al. 2018) both ways, as in CLIP. A memory of earlier views (Wang et al., "Cross-batch memory
for embedding learning", 2020) was tried and does harm here: the network learns so fast that all of a batch can move
away from everything remembered, which lowers the loss and teaches nothing.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def contrast(views: torch.Tensor, marks: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Contrast unit rows `views`, float32 [2n, dim], of `marks`, int64 [2n]: row i and row i + n are a pair.

    Each view should resemble its partner more than any view of another mark; further views of the same mark do not
    count. Returns the mean cross-entropy, a scalar.
    """
    own = torch.arange(len(views), device=views.device)
    partner = (own + len(views) // 2) % len(views)
    ignored = marks[:, None] == marks[None]
    ignored[own, partner] = False
    logits = (views @ views.T / temperature).masked_fill(ignored, -torch.inf)
    return functional.cross_entropy(logits, partner)
