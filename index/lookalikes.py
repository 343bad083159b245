"""Which pictures on record does a photo resemble so much that it may be made from one? Their nearest embeddings.

Hashes tell copies outright (`index.copies`); this proposes the few whose details are worth comparing, for a copy that
was cropped, framed or written over keeps its looks though not its hash. `ReferenceCatalogue` asks it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.backends import create_index
from index.columns import CatalogueColumns
from index.records import DuplicateSource
from index.vectors import PADDING_ID, VectorIndex, check_vectors


@dataclass(frozen=True, kw_only=True)
class Lookalike:
    """Photo `image_row` of the query resembles one on record, by cosine `similarity`.

    `source_id` names the reference or the removed listing, `sha256` the picture's file; `pdq` is its hash, if any.
    """

    image_row: int
    source: DuplicateSource
    source_id: str
    sha256: str
    brand: str
    pdq: bytes | None
    similarity: float


class LookalikeTable:
    """Embeddings of whole pictures on record. Immutable; any number of threads may ask at once."""

    def __init__(self, columns: CatalogueColumns, backend: str) -> None:
        self._columns = columns
        self._indexes = _fill(columns, backend)

    def __len__(self) -> int:
        return sum(map(len, self._indexes))

    def find(self, vectors: NDArray[np.float32], *, most: int) -> tuple[Lookalike, ...]:
        """Find the `most` pictures of each source that resemble each photo most, in order of photo and similarity.

        vectors: float32 [n, dim] with unit rows, one for each photo.
        """
        found: list[Lookalike] = []
        for index in self._indexes:
            check_vectors(vectors, self._columns.copy_vectors.shape[1])
            hits = index.search(vectors, most)
            for photo, place in zip(*np.nonzero(hits.ids != PADDING_ID), strict=True):
                found.append(self._lookalike(int(photo), int(hits.ids[photo, place]), float(hits.scores[photo, place])))
        return tuple(sorted(found, key=lambda one: (one.image_row, -one.similarity)))

    def _lookalike(self, photo: int, row: int, similarity: float) -> Lookalike:
        columns = self._columns
        return Lookalike(
            image_row=photo,
            source=DuplicateSource(columns.copy_sources[row].decode()),
            source_id=columns.copy_source_ids[row].decode(),
            sha256=columns.copy_sha256[row].tobytes().hex(),
            brand=columns.copy_brands[row].decode(),
            pdq=columns.copy_pdq[row].tobytes() if columns.copy_has_pdq[row] else None,
            similarity=similarity,
        )


def _fill(columns: CatalogueColumns, backend: str) -> list[VectorIndex]:
    """Make an index for each source: a thousand removed listings must not hide a known counterfeit."""
    embedded = columns.copy_vectors.any(axis=1)
    indexes = []
    for source in np.unique(columns.copy_sources[embedded]):
        rows = np.flatnonzero(embedded & (columns.copy_sources == source)).astype(np.int64)
        index = create_index(backend, columns.copy_vectors.shape[1])
        index.add(rows, columns.copy_vectors[rows].astype(np.float32))
        indexes.append(index)
    return indexes
