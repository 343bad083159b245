"""Which vectors are nearest among tens of thousands and more? A trained FAISS index, and exact comparison.

Up to `EXACT_UP_TO` vectors of a kind are compared one by one (`index.faiss_index`). Of more, the builder trains an
inverted file: k-means cells, and in each cell the vectors in one to four bits a value, by a product quantiser whose
tables fit into registers (André et al. 2017, "Accelerated nearest neighbor search with Quick ADC"). A search looks
through the cells nearest to the query, and compares the best of what is there exactly, with the vectors of the
snapshot, which replicas on one machine share. docs/index.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index.errors import SnapshotError
from index.faiss_index import import_faiss, owner_of, threads_for
from index.vectors import PADDING_ID, Hits, check_k, check_vectors, ranked

if TYPE_CHECKING:
    import faiss

# Three regions take 4 ms of a core among 5,000 vectors of 1,280 values exactly, 8 ms among 10,000, and 1.5 ms trained.
EXACT_UP_TO = 5_000
# Vectors of which k-means learns a cell: FAISS asks for 39 and more (Clustering.min_points_per_centroid).
_LEARNT_FROM = 64
_BLOCK_ROWS = 65_536
# As many of the best candidates are compared exactly, or as many as are asked for if those are more: for a listing
# `index.catalogue` asks for 1,024.
_COMPARED = 512
# A search looks through so many cells, and at least `_FEWEST_CELLS`. Of the stand-ins of `touchstone bench`, 100,000 of
# 1,280 values, an eighth of 2 sqrt(n) cells finds 0.997 of the ten nearest in 1.0 ms for three regions, a 16th 0.993, a
# quarter 1.000 in 1.5 ms; of 4 sqrt(n) cells an eighth finds 0.997 in 1.7 ms. With 8 bits a value a 24th took 8 ms.
_SHARE_OF_CELLS, _FEWEST_CELLS = 8, 32
# As many values of a vector share the 4 bits of a quantiser as leave it so many bits, of few vectors and of more. Among
# 512 candidates 0.993 of the ten nearest of 100,000 vectors of 512 values are found with 1,024 bits, 0.966 with half of
# them; of a million 0.930, and 0.997 with 2,048 (`training.measure_index`, whose million is 12,858 real ones moved).
BITS, _TOGETHER = 4, (4, 2, 1)
_LEAST_BITS, _FEW, _LEAST_BITS_OF_MORE = 1_024, 200_000, 2_048
# A search takes as long as so small a share of the products of all vectors with the query: an eighth of them is looked
# at, 32 at once by lookups in registers.
_SHARE_OF_WORK = 128
_SHARE_OF_OLDER = 24  # of the cells of an index with 8 bits a value, and of the products
_SEED = 1


class TrainedIndex:
    """A trained index of some rows of `vectors`, float32 [n, dim] with unit rows. Immutable.

    Only the processor's own thread touches FAISS (see `FaissIndex`), wherever other indexes are: there is no such
    search for GPUs. Comparing exactly is the caller's own work.
    """

    def __init__(self, trained: faiss.IndexIVF, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors
        self._owner = owner_of("cpu")
        self._trained = trained
        # Snapshots of before have 8 bits a value, which take longer to look through.
        quick = isinstance(trained, import_faiss().IndexIVFPQFastScan)
        self._share_of_work = _SHARE_OF_WORK if quick else _SHARE_OF_OLDER
        self._probes = probes(trained.nlist, share=_SHARE_OF_CELLS if quick else _SHARE_OF_OLDER)

    def __len__(self) -> int:
        return int(self._trained.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> Hits:
        """Search as `Searchable.search` says."""
        check_vectors(queries, self._vectors.shape[1])
        check_k(k)
        if not len(queries):
            return ranked(np.empty((0, 0), np.int64), np.empty((0, 0), np.float32), k)
        wanted = min(len(self), max(k, _COMPARED))
        rows = self._owner.submit(self._candidates, np.ascontiguousarray(queries), wanted).result()
        # A damaged file must not lead outside of the vectors.
        rows = np.where((rows >= 0) & (rows < len(self._vectors)), rows, PADDING_ID)
        scores = np.stack([self._vectors[found] @ query for found, query in zip(rows, queries, strict=True)])
        return ranked(rows, scores, k)

    def _candidates(self, queries: NDArray[np.float32], count: int) -> NDArray[np.int64]:
        effort = import_faiss().SearchParametersIVF(nprobe=self._probes)  # for this call alone
        with threads_for(len(queries) * len(self) * self._vectors.shape[1] // self._share_of_work):
            rows: NDArray[np.int64] = self._trained.search(queries, count, params=effort)[1]
        return rows


def cells(count: int) -> int:
    """Say into how many cells so many vectors are divided: 632 for 100,000, 2,000 for a million."""
    return max(1, int(2 * np.sqrt(count)))


def probes(cell_count: int, *, share: int = _SHARE_OF_CELLS) -> int:
    """Say how many cells a search looks through: one in `share` of them."""
    return min(cell_count, max(_FEWEST_CELLS, cell_count // share))


def together(dim: int, count: int) -> int:
    """Say how many values of so many vectors share the bits of a quantiser."""
    least = _LEAST_BITS if count <= _FEW else _LEAST_BITS_OF_MORE
    return next((many for many in _TOGETHER if dim % many == 0 and dim // many * BITS >= least), 1)


def train(vectors: NDArray[np.float32], rows: NDArray[np.int64]) -> faiss.IndexIVF:
    """Train an index of `rows`, int64 [n], of `vectors`. Minutes for a million: work for a builder."""
    library = import_faiss()
    dim, count = vectors.shape[1], cells(len(rows))
    quantiser = library.IndexFlatIP(dim)
    quantisers = dim // together(dim, len(rows))
    index: faiss.IndexIVF = library.IndexIVFPQFastScan(
        quantiser, dim, count, quantisers, BITS, library.METRIC_INNER_PRODUCT
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


def read(file: Path, vectors: NDArray[np.float32]) -> TrainedIndex:
    """Read a trained index whose file was verified. Raises SnapshotError."""
    library = import_faiss()
    try:
        trained = library.read_index(str(file), library.IO_FLAG_MMAP | library.IO_FLAG_READ_ONLY)
    except RuntimeError as error:
        raise SnapshotError(
            f"{file} cannot be read by FAISS {library.__version__} ({error}): rebuild it from the store with "
            "`touchstone index build`."
        ) from error
    return TrainedIndex(trained, vectors)
