"""Which pictures on record does a photo resemble so much that it may be made from one? Their nearest embeddings.

Hashes tell copies outright (`index.copies`); this proposes the few whose details are worth comparing, for a copy that
was cropped, framed or written over keeps its looks though not its hash. `index.pictures` asks the tables of all layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.backends import create_index
from index.columns import CatalogueColumns
from index.records import DuplicateSource
from index.vectors import PADDING_ID, VectorIndex, check_vectors, live_hits


@dataclass(frozen=True, kw_only=True)
class FoundLookalike:
    """Photo `image_row` of the query resembles the picture in `row`, by cosine `similarity`."""

    image_row: int
    row: int
    similarity: float


class LookalikeTable:
    """Embeddings of whole pictures on record. Immutable; any number of threads may ask at once."""

    def __init__(self, columns: CatalogueColumns, backend: str) -> None:
        self._columns = columns
        self._indexes = _fill(columns, backend)

    def __len__(self) -> int:
        return sum(map(len, self._indexes.values()))

    def find(
        self, vectors: NDArray[np.float32], *, most: int, masked: NDArray[np.bool_]
    ) -> Mapping[DuplicateSource, list[FoundLookalike]]:
        """Find the `most` pictures of each source that resemble each photo most, in order of photo and similarity.

        vectors: float32 [n, dim] with unit rows, one for each photo.
        masked: bool [c], which of the pictures do not count.
        """
        found: dict[DuplicateSource, list[FoundLookalike]] = {}
        gone = int(np.count_nonzero(masked[self._columns.lookalike_copies]))
        for source, index in self._indexes.items():
            check_vectors(vectors, self._columns.lookalike_vectors.shape[1])
            hits = live_hits(index, vectors, most, masked=masked.__getitem__, masked_count=gone)
            found[source] = [
                FoundLookalike(
                    image_row=int(photo), row=int(hits.ids[photo, place]), similarity=float(hits.scores[photo, place])
                )
                for photo, place in zip(*np.nonzero(hits.ids != PADDING_ID), strict=True)
            ]
        return found


def _fill(columns: CatalogueColumns, backend: str) -> dict[DuplicateSource, VectorIndex]:
    """Make an index for each source: a thousand removed listings must not hide a known counterfeit."""
    sources = columns.copy_sources[columns.lookalike_copies]
    indexes = {}
    for source in DuplicateSource:
        places = np.flatnonzero(sources == source.encode())
        if not len(places):
            continue
        index = create_index(backend, columns.lookalike_vectors.shape[1])
        index.add(
            columns.lookalike_copies[places].astype(np.int64), columns.lookalike_vectors[places].astype(np.float32)
        )
        indexes[source] = index
    return indexes
