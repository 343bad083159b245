"""Which vectors are nearest, without any approximation: the executable specification of `VectorIndex`.

Every other index is compared with this one. It serves small catalogues and installations without FAISS as well.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from index.vectors import Hits, check_ids, check_k, check_new_ids, check_vectors, ranked

# Both bound the temporaries of a search: a block of rows as float64 (80 MiB at 1280 dimensions) and the scores of as
# many queries as fit (at least one).
_BLOCK_ROWS = 8_192
_SCORE_BYTES = 64 * 2**20


class ExactIndex:
    """Compares each query with each vector.

    Products are summed in float64 and rounded once to float32, so that equal vectors score equal wherever they stand,
    and ties fall to the smaller id. A search sees the vectors that were there when it began.
    """

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._adding = threading.Lock()
        self._rows = (np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32))

    def __len__(self) -> int:
        return len(self._rows[0])

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add as `VectorIndex.add` says. The first array added is kept, not copied, when it is read-only.

        So a memory-mapped snapshot is searched straight from the page cache.
        """
        check_vectors(vectors, self._dim)
        check_ids(ids, len(vectors))
        with self._adding:
            known_ids, known_vectors = self._rows
            check_new_ids(ids, known_ids)
            if len(known_ids) == 0 and not vectors.flags.writeable:
                self._rows = (ids.copy(), vectors)
            else:
                self._rows = (np.concatenate([known_ids, ids]), np.concatenate([known_vectors, vectors]))

    def search(self, queries: NDArray[np.float32], k: int) -> Hits:
        """Search as `VectorIndex.search` says, in bounded memory."""
        check_vectors(queries, self._dim)
        check_k(k)
        ids, vectors = self._rows
        step = max(1, _SCORE_BYTES // (4 * max(1, len(ids))))
        parts = [_best(ids, _score(queries[at : at + step], vectors), k) for at in range(0, len(queries), step)]
        if not parts:
            return ranked(np.empty((0, 0), dtype=np.int64), np.empty((0, 0), dtype=np.float32), k)
        return Hits(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))


def _score(queries: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Multiply queries [q, d] with vectors [n, d] into inner products, float32 [q, n]."""
    scores = np.empty((len(queries), len(vectors)), dtype=np.float32)
    wide = queries.astype(np.float64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        block = vectors[start : start + _BLOCK_ROWS].astype(np.float64)
        scores[:, start : start + len(block)] = wide @ block.T
    return scores


def _best(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
    """Pick the k best of scores, float32 [q, n], with all ties at the k-th place resolved by id."""
    if k >= len(ids):
        return ranked(np.broadcast_to(ids, scores.shape), scores, k)
    rows = [_best_of_one(ids, row, k) for row in scores]
    return Hits(np.concatenate([row.ids for row in rows]), np.concatenate([row.scores for row in rows]))


def _best_of_one(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
    """Pick the k best of one query's scores, float32 [n] with n > k: all that reach the k-th score, then by id."""
    kth = np.partition(scores, -k)[-k]
    candidates = np.flatnonzero(scores >= kth)
    return ranked(ids[np.newaxis, candidates], scores[np.newaxis, candidates], k)
