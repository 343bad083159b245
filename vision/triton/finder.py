"""Where in a photo are marks, asked of a Triton server? The `Finder` whose network runs there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vision.finder import FINDER, MOST, WHOLE, FinderManifest, cost_of, input_of
from vision.regions import Box, Region
from vision.triton.channel import Output
from vision.triton.connection import Connection
from vision.triton.naming import BOXES, FOUND


class TritonFinder:
    """The shipped finder in a Triton server. One thread at a time calls it."""

    def __init__(self, connection: Connection) -> None:
        """Look whether the server has it. Raises ModelError, ModelUnavailable."""
        manifest = FinderManifest.load(FINDER)
        self._connection = connection
        self._recipe = input_of(manifest.edge)
        self._cost = cost_of(edge=manifest.edge)
        self._forwards = 0.0
        output = Output(name=FOUND, dtype=np.float64, shape=(MOST, 5))
        self._model = connection.model(finder_fingerprint(manifest), BOXES, output)

    @property
    def forwards(self) -> float:
        """Work done so far, as `MarkFinder.forwards`."""
        return self._forwards

    def find(self, photos: Sequence[NDArray[np.uint8]]) -> list[tuple[Region, ...]]:
        """Name at most two boxes in each photo, likeliest first, and last the whole of it."""
        boxes: NDArray[Any] = self._connection.ask(self._model, photos, self._recipe)
        self._forwards += len(photos) * self._cost
        return [unpack_regions(rows) for rows in boxes]


def finder_fingerprint(manifest: FinderManifest) -> str:
    """Name the finder by its weights, as an embedder's fingerprint names its own."""
    return f"{FINDER.name}@{manifest.sha256[:12]}"


def pack_regions(found: Sequence[Sequence[Region]]) -> NDArray[np.float64]:
    """Write each photo's boxes, less the last, which is the whole photo: float64 [n, MOST, 5], 0 for none."""
    packed = np.zeros((len(found), MOST, 5))
    for place, regions in enumerate(found):
        for number, region in enumerate(regions[:-1]):
            box = region.box
            packed[place, number] = box.x1, box.y1, box.x2, box.y2, region.confidence
    return packed


def unpack_regions(rows: NDArray[np.float64]) -> tuple[Region, ...]:
    """Read one photo's boxes, float64 [MOST, 5], and add the whole photo. Raises ValueError for what is no box."""
    marks = (Region(Box(*row[:4]), "mark", confidence=row[4]) for row in rows.tolist() if row[4] > 0)
    return (*marks, WHOLE)
