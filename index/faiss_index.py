"""Which vectors are nearest, through FAISS: the index a replica serves from.

A flat inner-product index compares with every vector, so its recall is 1 by construction. On two CPU cores a batch
of 16 regions takes 45 ms among 100,000 vectors of 512 values and 80 ms of 1,280: right for the thousands
that most installations have. `index.large_index` searches more of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from index.errors import BackendError
from index.vectors import Hits, check_ids, check_k, check_new_ids, check_vectors, ranked

if TYPE_CHECKING:
    import faiss

# FAISS multiplies with BLAS only from this many queries on; its default (128,000) leaves batches to a loop. Measured
# with 1.15.1 on two cores at 100,000 x 512: batches of 64 went from about 100 to 1,100 queries/s and more, batches of
# 16 from 168 ms to 45 ms; a single query is as fast either way.
_BLAS_THRESHOLD = 20

# Products of two numbers that one core computes in about 8 ms: three regions with 10,000 vectors of 1,280 values.
_ALONE = 40_000_000

# The threads that own devices, by device and work, started with the first index and idle between calls.
_owners: dict[tuple[str, str], ThreadPoolExecutor] = {}
_owners_lock = threading.Lock()


class FaissIndex:
    """A flat inner-product index with one owner: only the device's own thread touches FAISS.

    GPU indexes allow no concurrent search, and FAISS on the CPU already uses every core for one. So calls from any
    thread queue up at the device's owner, which all indexes on that device share. `device` is "cpu" or "cuda:N".
    Indexes of other `work` than screening have an owner of their own: a search of seconds among the regions of all
    listings must not hold up one of milliseconds among references.
    """

    def __init__(self, dim: int, *, device: str = "cpu", work: str = "") -> None:
        self._dim = dim
        self._owner = owner_of(device, work)
        self._ids = np.empty(0, dtype=np.int64)  # FAISS numbers rows from 0; row -> id, touched by the owner only
        self._flat = self._owner.submit(_new_flat, dim, device).result()

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Add as `VectorIndex.add` says; FAISS copies the vectors."""
        check_vectors(vectors, self._dim)
        check_ids(ids, len(vectors))
        self._owner.submit(self._add, ids, vectors).result()

    def search(self, queries: NDArray[np.float32], k: int, *, parameters: faiss.SearchParameters | None = None) -> Hits:
        """Search as `VectorIndex.search` says.

        `parameters` is a `faiss.SearchParameters` for this call alone (a selector of rows, or an effort such as
        `nprobe`): setting such a value on a shared index would change other callers' searches under way.
        """
        check_vectors(queries, self._dim)
        check_k(k)
        if len(self) == 0 or len(queries) == 0:  # nothing to wait for the owner for
            empty = (len(queries), 0)
            return ranked(np.empty(empty, dtype=np.int64), np.empty(empty, dtype=np.float32), k)
        return self._owner.submit(self._search, queries, k, parameters).result()

    def _add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        check_new_ids(ids, self._ids)
        self._flat.add(np.ascontiguousarray(vectors))
        self._ids = np.concatenate([self._ids, ids])

    def _search(self, queries: NDArray[np.float32], k: int, parameters: faiss.SearchParameters | None) -> Hits:
        with threads_for(len(queries) * self._flat.ntotal * self._dim):
            scores, rows = self._flat.search(np.ascontiguousarray(queries), min(k, len(self._ids)), params=parameters)
        return ranked(np.where(rows < 0, rows, self._ids[rows]), scores, k)


def import_faiss() -> ModuleType:
    """Import FAISS, or say how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise BackendError(
            "index backend 'faiss' needs FAISS, which is not installed: install the extra 'cpu' or 'gpu' (never both), "
            "or choose the backend 'exact'"
        ) from error
    module: ModuleType = faiss
    return module


def owner_of(device: str, work: str = "") -> ThreadPoolExecutor:
    """Give the one thread that owns a device for some work; "" is screening, which may use every core."""
    with _owners_lock:
        key = (device, work)
        if key not in _owners:
            name = f"faiss-{device}-{work}" if work else f"faiss-{device}"
            _owners[key] = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=_use_half if work else None)
        return _owners[key]


@contextmanager
def threads_for(products: int) -> Iterator[None]:
    """Let this thread's FAISS use one core in the block when it has few products of two numbers to compute.

    OpenMP's threads spin for a while after each call: a listing screened on two cores against a few hundred references
    took 64 ms of processor time with them and 24 ms without.
    """
    if products > _ALONE:
        yield
        return
    library = import_faiss()
    allowed = library.omp_get_max_threads()
    library.omp_set_num_threads(1)
    try:
        yield
    finally:
        library.omp_set_num_threads(allowed)


def _use_half() -> None:
    """Leave half of the cores to screening, in all that this thread does."""
    library = import_faiss()
    library.omp_set_num_threads(max(1, library.omp_get_max_threads() // 2))


def _new_flat(dim: int, device: str) -> faiss.Index:
    """Make an empty flat index on a device; runs on the owner's thread."""
    library = import_faiss()
    library.cvar.distance_compute_blas_threshold = _BLAS_THRESHOLD
    return _on_device(library.IndexFlatIP(dim), device)


def _on_device(index: faiss.Index, device: str) -> faiss.Index:
    """Put an index where it is to be searched, "cpu" or "cuda:N"; runs on the owner's thread."""
    if device == "cpu":
        return index
    library = import_faiss()
    number = _gpu_number(device, library.get_num_gpus())
    moved: faiss.Index = library.index_cpu_to_gpu(library.StandardGpuResources(), number, index)
    return moved


def _gpu_number(device: str, available: int) -> int:
    """Read N from "cuda:N". Written from FAISS's documentation; what follows it has not been run on a GPU yet.

    The check matters: without a GPU the copy itself "succeeds", and the process aborts at the first search.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number.isdecimal() or int(number) >= available:
        valid = ["cpu", *(f"cuda:{gpu}" for gpu in range(available))]
        raise BackendError(f"FAISS has no device {device!r}: choose one of {', '.join(valid)}")
    return int(number)
