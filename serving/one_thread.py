"""How many threads may a library use for one photo? One, where photos are worked on side by side.

Several threads for one small product of NumPy's spin between calls: they tripled the processor time of a listing (two
cores, fake model: 68 ms against 24 ms). OpenCV's find a photo's keypoints and read its words, as OpenCV did then, no
cheaper together, and wait for each other where the cores are busy: side by side in five threads on two cores both took
48 and 52 ms of processor time a photo with one thread a call, 53 and 53 ms with two; 118 and 138 ms of wall clock, 155
and 159 ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
from threadpoolctl import threadpool_limits


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Let each product of matrices be computed by one thread, in the whole process, until the block ends."""
    with threadpool_limits(1, user_api="blas"):
        yield


@contextmanager
def opencv_on_one_thread() -> Iterator[None]:
    """Let each call of OpenCV be worked on by one thread, in the whole process, until the block ends."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
