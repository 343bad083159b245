"""Does a crop's vector depend on its batch mates? In its last bits it may; in batches of one size it does not.

Libraries choose their kernels by the size of a batch, and kernels add up in different orders: on a CPU, touchstone-s
embeds a photo in a batch of 8 and in one of 32 up to 2e-7 apart, and the finder's boxes move with that. In batches of
one size, whatever else is in them and wherever a crop stands, every bit was the same (sizes 8, 16 and 32, one thread
and two; tests/integration/test_scan_measured.py holds on to it). So a scan's rows do not depend on what was
screened beside what, nor on what was embedded before. OpenVINO's path makes groups of one size by itself and needs
none of this (`serving.embedders.depends_on_batch`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCAN_BATCH = 32
"""What `vision.clip` passes at once; a CPU gains nothing beyond it. Rows of scans hold for this size."""

Crops = Sequence[NDArray[np.uint8]]

_BLANK = np.zeros((8, 8, 3), np.uint8)


def steady(do: Callable[[Crops], Any], size: int | None) -> Callable[[Crops], Any]:
    """Make `do`, which answers for each crop, see batches of `size` only, the last filled up; None leaves it alone."""
    if size is None:
        return do

    def in_steps(crops: Crops) -> list[Any]:
        answers: list[Any] = []
        for start in range(0, len(crops), size):
            batch = list(crops[start : start + size])
            answers += list(do([*batch, *[_BLANK] * (size - len(batch))]))[: len(batch)]
        return answers

    return in_steps
