"""What every vector index must do, whichever library does it, and what it may be given.

The search step of a listing's way through turns region embeddings into hits here: `ReferenceCatalogue` asks a
`VectorIndex`, and `exact` (numpy, the executable specification), `faiss` and others answer alike, which the contract
suite in `tests/contract/test_vector_index.py` proves for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PADDING_ID = -1
# A row normalised in float32 is off by about 1e-7; one normalised in float16 and cast afterwards by up to 1e-3, which
# moves a cosine by as much. Anything farther off was not normalised at all.
UNIT_NORM_TOLERANCE = 2e-3
_NORM_BLOCK_ROWS = 65_536
# How many hits more than wanted are asked for while some rows are masked.
_SPARE, _MORE = 64, 16


@dataclass(frozen=True)
class Hits:
    """The best rows of an index for each query, best first; equal scores stand in ascending order of id.

    ids: int64 [q, k], -1 where the index held fewer than k vectors.
    scores: float32 [q, k], the inner product (for unit vectors the cosine, -1..1), -inf where padded.
    """

    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


class Searchable(Protocol):
    """Finds the nearest unit vectors by inner product. Searching is safe from any thread."""

    def search(self, queries: NDArray[np.float32], k: int) -> Hits:
        """Find the k best vectors for each query, float32 [q, dim] with unit rows; q may be 0 and k exceed the size."""

    def __len__(self) -> int:
        """Count the vectors held."""


class VectorIndex(Searchable, Protocol):
    """One that vectors can be added to, from any thread."""

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add vectors, float32 [n, dim] with unit rows, under ids that are new to the index, int64 [n], not negative.

        Raises ValueError, and adds nothing, when one of these rules is broken.
        """


def check_vectors(vectors: NDArray[np.float32], dim: int) -> None:
    """Raise ValueError unless `vectors` is float32 [n, dim] with finite unit rows."""
    if vectors.dtype != np.float32:
        raise ValueError(
            f"vectors are {vectors.dtype}, but an index takes float32: convert with .astype(numpy.float32)"
        )
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise ValueError(f"vectors have shape {list(vectors.shape)}, but this index takes [n, {dim}]")
    faulty = rows_off_unit_norm(vectors)
    if len(faulty):
        row = int(faulty[0])
        raise ValueError(
            f"row {row} of {len(vectors)} has norm {np.linalg.norm(vectors[row]):.6g}, but a row must be finite with "
            f"norm 1 within {UNIT_NORM_TOLERANCE}: divide each row by its norm before adding or searching"
        )


def rows_off_unit_norm(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the rows of `vectors`, float32 [n, dim], whose norm is not 1; a row with NaN or infinity is among them."""
    faulty = [
        start + np.flatnonzero(~(np.abs(_norms(vectors[start : start + _NORM_BLOCK_ROWS]) - 1) <= UNIT_NORM_TOLERANCE))
        for start in range(0, len(vectors), _NORM_BLOCK_ROWS)
    ]
    return np.concatenate(faulty) if faulty else np.empty(0, dtype=np.int64)


def check_ids(ids: NDArray[np.int64], count: int) -> None:
    """Raise ValueError unless `ids` is int64 [count], not negative and free of repetition."""
    if ids.dtype != np.int64 or ids.shape != (count,):
        raise ValueError(f"ids are {ids.dtype} {list(ids.shape)}, but {count} vectors need int64 [{count}]")
    if count and ids.min() < 0:
        raise ValueError(f"id {ids.min()} is negative, but ids start at 0: {PADDING_ID} marks padding in results")
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != count:
        raise ValueError(f"id {unique[counts > 1][0]} is given twice, but an id names one vector")


def check_new_ids(ids: NDArray[np.int64], known: NDArray[np.int64]) -> None:
    """Raise ValueError when one of `ids` is in the index already."""
    repeated = ids[np.isin(ids, known)]
    if len(repeated):
        raise ValueError(f"id {repeated[0]} is in the index already: build a new index to replace its vector")


def check_k(k: int) -> None:
    """Raise ValueError unless at least one hit is asked for."""
    if k < 1:
        raise ValueError(f"k is {k}, but a search asks for at least 1 hit")


def ranked(ids: NDArray[np.int64], scores: NDArray[np.float32], k: int) -> Hits:
    """Put each query's candidates, int64 and float32 [q, c], in order and pad or cut them to k columns.

    A candidate with id -1 counts as padding whatever its score.
    """
    scores = np.where(ids == PADDING_ID, np.float32(-np.inf), scores)
    order = np.lexsort((ids, -scores), axis=-1)[:, :k]
    padding = ((0, 0), (0, k - order.shape[1]))
    return Hits(
        np.pad(np.take_along_axis(ids, order, axis=1), padding, constant_values=PADDING_ID),
        np.pad(np.take_along_axis(scores, order, axis=1), padding, constant_values=-np.inf),
    )


def live_hits(
    index: Searchable,
    queries: NDArray[np.float32],
    k: int,
    *,
    masked: Callable[[NDArray[np.int64]], NDArray[np.bool_]],
    masked_count: int,
) -> Hits:
    """Search `index` as if the rows that `masked` names, at most `masked_count` of them, were not in it.

    A few more hits are asked for than are wanted, and many times as many where so many of them are masked that too few
    are left, as when a brand withdrew all of its references at once.
    """
    if masked_count == 0:
        return index.search(queries, k)
    for spare in _spares(masked_count):
        hits = index.search(queries, k + spare)
        padding = hits.ids == PADDING_ID
        gone = np.where(padding, False, masked(np.where(padding, 0, hits.ids))) if len(index) else padding
        if spare == masked_count or bool((padding[:, -1] | ((~gone).sum(axis=1) >= k)).all()):
            break
    return ranked(np.where(gone, PADDING_ID, hits.ids), hits.scores, k)


def _spares(masked_count: int) -> Iterator[int]:
    """Give growing numbers of further hits; the last one is enough whatever is masked."""
    spare = _SPARE
    while spare < masked_count:
        yield spare
        spare *= _MORE
    yield masked_count


def joined(parts: Sequence[Hits], k: int) -> Hits:
    """Give the k best of hits of the same queries in several indexes, whose ids differ."""
    if len(parts) == 1 and parts[0].ids.shape[1] == k:
        return parts[0]
    ids = np.concatenate([part.ids for part in parts], axis=1)
    return ranked(ids, np.concatenate([part.scores for part in parts], axis=1), k)


def _norms(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Measure each row's length, float32 [n], without a temporary of the size of `vectors`."""
    squares: NDArray[np.float32] = np.einsum("nd,nd->n", vectors, vectors)
    return np.sqrt(squares)
