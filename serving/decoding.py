"""Where are images decoded? In processes that may die of them, or, where whoever runs us vouches for the files, here.

The seam between everything that reads uploads and `vision.decoding`; `serving.app` chooses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from serving.deadline import NEVER, Deadline
from serving.errors import Overloaded
from serving.settings import Settings
from vision.decode import DecodeLimits, Image, decode
from vision.decoding import shared
from vision.decoding.pool import DecodePool
from vision.decoding.worker import Allowance
from vision.errors import NoDecoder

DEFAULT_LIMITS = DecodeLimits()


class Decoder(Protocol):
    """What turns an uploaded file into pixels."""

    def __call__(self, data: bytes, limits: DecodeLimits = DEFAULT_LIMITS, *, deadline: Deadline = NEVER) -> Image:
        """Decode one image. Raises ImageError, DeadlineExceeded and Overloaded."""


def decode_here(data: bytes, limits: DecodeLimits = DEFAULT_LIMITS, *, deadline: Deadline = NEVER) -> Image:  # noqa: ARG001
    """Decode in the thread that asks. A file that crashes the decoder ends the whole process."""
    return decode(data, limits)


class PoolDecoder:
    """Decodes in the processes of a pool."""

    def __init__(self, pool: DecodePool) -> None:
        self.pool = pool

    def __call__(self, data: bytes, limits: DecodeLimits = DEFAULT_LIMITS, *, deadline: Deadline = NEVER) -> Image:
        """Decode one image; raises ImageError, DeadlineExceeded when no process is free in time, and Overloaded."""
        try:
            return self.pool.decode(data, limits, within_s=deadline.remaining)
        except NoDecoder as error:
            deadline.check("decoding")
            raise Overloaded(str(error), retry_after_s=1.0) from error


def serving_workers(settings: Settings) -> int:
    """Return how many processes a service decodes in: one for each processor, unless the setting says otherwise."""
    if settings.decode_workers is not None:
        return settings.decode_workers
    return min(os.cpu_count() or 1, settings.workers) if shared.available() else 0


@contextmanager
def open_decoder(settings: Settings, workers: int) -> Iterator[Decoder]:
    """Give what decodes in so many processes, which end with the block; with 0, in the threads that ask."""
    if not workers:
        yield decode_here
        return
    allowance = Allowance(
        memory_bytes=settings.decode_memory_mib * 2**20,
        processor_s=settings.decode_processor_s,
        clock_s=4.0 * settings.decode_processor_s,
    )
    with DecodePool(workers, allowance) as pool:
        yield PoolDecoder(pool)
