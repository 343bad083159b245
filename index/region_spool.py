"""How do a million regions pass from the store into an index without being in memory twice? Through a file.

The vectors lie in a temporary file that the system deletes with the process, mapped when they are read: an index that
keeps what it is given without copying (`exact`) serves straight from there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from index.listing_regions import ListingEntry


@dataclass(frozen=True, eq=False)
class RegionColumns:
    """Regions of one kind: the decision and the row that each is of, int64 [n], and its vector, float32 [n, dim]."""

    numbers: NDArray[np.int64]
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]


def columns_of(entries: Sequence[ListingEntry], dim: int, *, marks: bool) -> RegionColumns:
    """Put the regions of listings that are marks, or those that are whole photos, into columns."""
    spans = [(one, *((one.photos, len(one.vectors)) if marks else (0, one.photos))) for one in entries]
    return RegionColumns(
        np.concatenate([np.empty(0, np.int64), *(np.full(end - at, one.number, np.int64) for one, at, end in spans)]),
        np.concatenate([np.empty(0, np.int64), *(np.arange(at, end, dtype=np.int64) for _, at, end in spans)]),
        np.concatenate([np.empty((0, dim), np.float32), *(one.vectors[at:end] for one, at, end in spans)]),
    )


class RegionSpool:
    """Regions on their way into an index. `folder` is where the file lies while it is needed."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._dim = dim
        self._files: dict[bool, IO[bytes]] = {
            marks: tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as the vectors are mapped
            for marks in (False, True)
        }
        self._pieces: dict[bool, list[RegionColumns]] = {False: [], True: []}
        self.newest: dict[str, int] = {}
        self.count = 0

    def add(self, entries: Sequence[ListingEntry]) -> None:
        """Take listings in, each of them once."""
        nothing = np.empty((0, self._dim), np.float32)
        for marks, file in self._files.items():
            columns = columns_of(entries, self._dim, marks=marks)
            file.write(np.ascontiguousarray(columns.vectors).data)
            self._pieces[marks].append(RegionColumns(columns.numbers, columns.rows, nothing))
            self.count += len(columns.numbers)
        self.newest |= {one.listing_id: one.number for one in entries}

    def columns(self, *, marks: bool) -> RegionColumns:
        """Give the regions of one kind; their vectors are mapped and read-only."""
        pieces, file = self._pieces[marks], self._files[marks]
        numbers = np.concatenate([np.empty(0, np.int64), *(piece.numbers for piece in pieces)])
        rows = np.concatenate([np.empty(0, np.int64), *(piece.rows for piece in pieces)])
        file.flush()
        if not len(numbers):  # nothing cannot be mapped
            return RegionColumns(numbers, rows, np.empty((0, self._dim), np.float32))
        vectors = np.memmap(file, np.float32, mode="r", shape=(len(numbers), self._dim))
        return RegionColumns(numbers, rows, vectors)
