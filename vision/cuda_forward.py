"""How does a torch network run on a GPU? In float16, channels last, compiled, by CUDA graphs of fixed sizes of batch.

Written from torch's documentation (torch.compile, mode "reduce-overhead"), and not run on a GPU yet. A graph is
recorded when a size of batch comes first; a batch of another size is filled up to the next one, so there are few.
"""

from __future__ import annotations

from typing import Any

import torch

from vision.forward import BUCKETS, in_float32


class CudaForward:
    """A network on a GPU. Any one thread at a time may call it, always the same one."""

    def __init__(self, network: Any, *, device: str) -> None:
        """Move a torch module, from pictures to one tensor or a tuple of them, to "cuda:N"; compiled when called."""
        half = network.to(device=device, dtype=torch.float16, memory_format=torch.channels_last)
        self._compiled: Any = torch.compile(half, mode="reduce-overhead", dynamic=False)

    def __call__(self, pictures: torch.Tensor) -> Any:
        """Answer for float32 [n, 3, height, width] on the device, n 1 to the last of `BUCKETS`."""
        count = len(pictures)
        filled = pictures.new_zeros((bucket_of(count), *pictures.shape[1:]), dtype=torch.float16)
        filled = filled.contiguous(memory_format=torch.channels_last)
        filled[:count] = pictures
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        answer = self._compiled(filled)
        # Copied out by the change of type: the graph's own memory is written over by its next run.
        if isinstance(answer, torch.Tensor):
            return answer[:count].float()
        return in_float32(tuple(each[:count] for each in answer))


def bucket_of(count: int) -> int:
    """Give the size of batch that so many pictures are filled up to, at most the largest."""
    return next(size for size in BUCKETS if size >= count)
