"""By which path does a network run? The same weights, through whatever this machine is fastest with.

    eager          torch, float32, as open_clip and timm build the network: what the others are measured against
    channels_last  torch, float32, each normalisation folded into its convolution, pixels of all channels side by side
    bfloat16       the same, converted to bfloat16: for processors with AMX or AVX-512 BF16
    openvino       OpenVINO on a CPU, float32 (the extra `cpu` brings it)
    cuda           torch on a GPU: float16, channels last, compiled with CUDA graphs for fixed sizes of batch

Paths answer like `eager` but for the last digits: tests/contract/test_forward.py holds the cosines to 0.999. That is
why a path is no part of a model's fingerprint, but for `bfloat16`: a vision transformer keeps to 0.999 in it, and
touchstone-s does not (0.997). docs/speed.md has what was measured.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError
from vision.preprocessing import Preprocessing, prepare

if TYPE_CHECKING:
    import torch

Forward = Callable[[Sequence[NDArray[np.uint8]], Preprocessing], Any]
"""Crops, RGB, each uint8 [H, W, 3], at least one, made ready by a recipe: into what the network answers, in float32.

Any one thread at a time may call it.
"""

BATCH_SIZE = 32  # crops a forward pass; beyond it a CPU gains nothing and memory grows

AUTO = "auto"
EAGER = "eager"
PATHS = ("eager", "channels_last", "bfloat16", "openvino", "cuda")
INEXACT = frozenset({"bfloat16"})
"""Paths whose embeddings are those of another space: their fingerprint says so, and references are embedded anew."""

BUCKETS = (1, 2, 4, 8, 16, 32)
"""Sizes of batch that the GPU's graphs are made for; a batch of another size is filled up."""


def choose_path(path: str, device: str) -> str:
    """Say which path a setting means on a device of torch's; `auto` is the fastest one that was run on its kind.

    Raises:
        ModelError: there is no such path, it is not for this device, or what it needs is not installed.

    """
    on_cpu = device == "cpu"
    if path == AUTO:  # not `cuda` on a GPU as long as nobody has run it there
        return "openvino" if on_cpu and _has_openvino() else "channels_last"
    if path not in PATHS:
        raise ModelError(f"there is no forward path {path!r}: choose {AUTO} or one of {', '.join(PATHS)}")
    if path == "openvino" and not _has_openvino():
        raise ModelError("forward path 'openvino' needs OpenVINO: install the extra 'cpu', or choose 'channels_last'")
    if (path == "cuda") == on_cpu or (path == "openvino" and not on_cpu):
        raise ModelError(f"forward path {path!r} does not run on {device}: choose {AUTO}")
    return path


def plainest(path: str) -> str:
    """Name the plainest path that embeds into the same space: by it a model has the same fingerprint."""
    return path if path in INEXACT else EAGER


def through(network: Any, path: str, *, device: str, batch_size: int = BATCH_SIZE) -> Forward:
    """Make the forward of a network, a torch module from pictures to one tensor or a tuple of them.

    The network is moved to `device`, and may be changed: it is not to be used beside what is returned. It sees at most
    `batch_size` pictures at once, float32 [n, 3, height, width].
    """
    network = network.eval().requires_grad_(False)
    if path == EAGER:
        return _in_batches(_as_it_is(network.to(device)), device, batch_size)
    _fold(network)
    if path == "openvino":
        from vision.openvino_forward import OpenVinoForward

        return OpenVinoForward(network)
    if path == "cuda":
        from vision.cuda_forward import CudaForward

        return _in_batches(CudaForward(network, device=device), device, min(batch_size, BUCKETS[-1]))
    return _in_batches(_channels_last(network, path, device), device, batch_size)


def _in_batches(see: Callable[[torch.Tensor], Any], device: str, size: int) -> Forward:
    """Make a forward of what sees pictures float32 [n, 3, height, width] on `device`, at most `size` of them."""
    import torch

    def in_steps(crops: Sequence[NDArray[np.uint8]], recipe: Preprocessing) -> Any:
        starts = range(0, len(crops), size)
        answers = [see(prepare(crops[start : start + size], recipe, device=device)) for start in starts]
        if isinstance(answers[0], tuple):
            return tuple(torch.cat(each) for each in zip(*answers, strict=True))
        return torch.cat(answers)

    return in_steps


def _as_it_is(network: Any) -> Callable[[torch.Tensor], Any]:
    return lambda pictures: network(pictures.contiguous())


def _channels_last(network: Any, path: str, device: str) -> Callable[[torch.Tensor], Any]:
    import torch

    dtype = torch.bfloat16 if path == "bfloat16" else torch.float32
    network = network.to(device=device, dtype=dtype, memory_format=torch.channels_last)
    return lambda pictures: in_float32(network(pictures.to(dtype)))


def in_float32(answer: Any) -> Any:
    """Give what a network answered, a tensor or a tuple of them, in float32."""
    return answer.float() if hasattr(answer, "float") else tuple(each.float() for each in answer)


def _fold(network: Any) -> None:
    """Fold what can be folded: normalisations of timm's EfficientNets, which are not folded yet."""
    from vision.folding import fold

    for module in network.modules():
        if type(module).__name__ == "EfficientNet" and type(module.bn1).__name__.startswith("BatchNorm"):
            fold(module)


def _has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None
