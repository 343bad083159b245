"""How fast can this device multiply, and how many operations does a network take? The yardsticks of `touchstone bench`.

Tensors do not leave `vision`, so these are measured here.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path

_EDGE = 2_048  # of the square matrices: past every cache of a core, a sixth of a second on two slow ones
_GIGA = 1e9


def matrix_product_gflops(device: str) -> float:
    """Time one product of float32 matrices on a device of torch's, after one that warms up: GFLOP/s."""
    import torch

    with torch.inference_mode():
        left, right = (torch.rand(_EDGE, _EDGE, device=device) for _ in range(2))
        seconds = 0.0
        for _ in range(2):
            began = time.perf_counter()
            (left @ right)[0, 0].item()  # waits for a GPU, too
            seconds = time.perf_counter() - began
    return 2 * _EDGE**3 / seconds / _GIGA


def gflop_of(do: Callable[[], object]) -> float:
    """Count the floating-point operations of torch's eager products and convolutions in a call, in GFLOP."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        do()
    return int(counter.get_total_flops()) / _GIGA


def describe_device(device: str) -> str:
    """Say in words what a device of torch's is: the GPU's name, or the processor's with its cores."""
    if device != "cpu":
        import torch

        return str(torch.cuda.get_device_name(device))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{_processor()}, {cores} cores"


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
