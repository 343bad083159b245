"""Which vectors are nearest among hundreds of thousands? A trained FAISS index, and exact comparison of what it finds.

Up to `EXACT_UP_TO` vectors of a kind are compared one by one (`index.faiss_index`). Of more, the builder trains an
inverted file: k-means cells, and in each cell the vectors in 8 bits a value. A search looks through the cells nearest
to the query, and compares the 256 best of what is there again, exactly, with the vectors of the snapshot. All of it is
mapped from the snapshot's files, so that replicas on one machine share one copy. docs/index.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index.backends import split
from index.errors import SnapshotError
from index.faiss_index import import_faiss, on_device, owner_of
from index.vectors import PADDING_ID, Hits, check_k, check_vectors, ranked

if TYPE_CHECKING:
    import faiss

EXACT_UP_TO = 50_000
# Vectors of which k-means learns a cell: FAISS asks for 39 and more (Clustering.min_points_per_centroid).
_LEARNT_FROM = 64
_BLOCK_ROWS = 65_536
# How many candidates are sought for each hit that is asked for, and how many, the best, are compared again exactly.
# Those behind keep the similarity of their 8 bits, 0.001 off.
_AGAIN, _COMPARED_AGAIN = 4, 256
# A search looks through so many cells, and at least `_FEWEST_CELLS`: of the stand-ins of `touchstone bench`, 100,000,
# a 16th finds 0.994 of the ten nearest, a 24th 0.992 in two thirds of the time, a 32nd 0.986.
_SHARE_OF_CELLS, _FEWEST_CELLS = 24, 32
_SEED = 1


class TrainedIndex:
    """A trained index of some rows of `vectors`, float32 [n, dim] with unit rows. Immutable.

    Only the device's own thread touches FAISS (see `FaissIndex`); comparing again is the caller's own work.
    """

    def __init__(self, trained: faiss.IndexIVF, vectors: NDArray[np.float32], *, device: str = "cpu") -> None:
        self._vectors = vectors
        self._owner = owner_of(device)
        self._probes = probes(trained.nlist)
        self._trained = self._owner.submit(on_device, trained, device).result()

    def __len__(self) -> int:
        return int(self._trained.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> Hits:
        """Search as `Searchable.search` says."""
        check_vectors(queries, self._vectors.shape[1])
        check_k(k)
        if not len(queries):
            return ranked(np.empty((0, 0), np.int64), np.empty((0, 0), np.float32), k)
        wanted = min(len(self), max(k, min(_AGAIN * k, _COMPARED_AGAIN)))
        scores, rows = self._owner.submit(self._candidates, np.ascontiguousarray(queries), wanted).result()
        # A damaged file must not lead outside of the vectors.
        rows = np.where(rows < len(self._vectors), rows, PADDING_ID)
        for found, near, query in zip(rows, scores, queries, strict=True):
            near[:_COMPARED_AGAIN] = self._vectors[found[:_COMPARED_AGAIN]] @ query
        return ranked(rows, scores, k)

    def _candidates(self, queries: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        library = import_faiss()
        effort = library.SearchParametersIVF(nprobe=self._probes)  # for this call alone
        scores, rows = self._trained.search(queries, count, params=effort)
        return scores, rows


def cells(count: int) -> int:
    """Say into how many cells so many vectors are divided: 1,264 for 100,000, 4,000 for a million."""
    return max(1, int(4 * np.sqrt(count)))


def probes(cell_count: int) -> int:
    """Say how many cells a search looks through."""
    return min(cell_count, max(_FEWEST_CELLS, cell_count // _SHARE_OF_CELLS))


def train(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> faiss.IndexIVF:
    """Train an index of `rows`, int64 [n], of `vectors`. Minutes for a million: work for a builder."""
    library = import_faiss()
    dim, count = vectors.shape[1], cells(len(rows))
    quantiser = library.IndexFlatIP(dim)
    kind = library.ScalarQuantizer.QT_8bit
    index: faiss.IndexIVF = library.IndexIVFScalarQuantizer(
        quantiser, dim, count, kind, library.METRIC_INNER_PRODUCT, False
    )
    index.cp.spherical, index.cp.seed = True, _SEED
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = _LEARNT_FROM, 1
    index.own_fields = True
    quantiser.this.disown()
    sample = np.random.default_rng(_SEED).permutation(rows)[: _LEARNT_FROM * count]
    index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        index.add_with_ids(np.ascontiguousarray(vectors[block]), block)
    return index


def writer(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> Callable[[Path], None]:
    """Give what trains an index and writes it to a file."""
    return lambda file: import_faiss().write_index(train(vectors, rows), str(file))


def read(file: Path, vectors: NDArray[np.float32], backend: str) -> TrainedIndex:
    """Map a trained index whose file was verified. Raises SnapshotError."""
    library = import_faiss()
    try:
        trained = library.read_index(str(file), library.IO_FLAG_MMAP | library.IO_FLAG_READ_ONLY)
    except RuntimeError as error:
        raise SnapshotError(
            f"{file} cannot be read by FAISS {library.__version__} ({error}): rebuild it from the store with "
            "`touchstone index build`."
        ) from error
    return TrainedIndex(trained, vectors, device=split(backend)[1] or "cpu")
