"""Which library searches the vectors? A literal table of names, each resolved only when it is asked for."""

from __future__ import annotations

import importlib

from index.errors import BackendError
from index.vectors import VectorIndex

BACKENDS = {
    "exact": "index.exact:ExactIndex",
    "faiss": "index.faiss_index:FaissIndex",
}


def create_index(backend: str, dim: int) -> VectorIndex:
    """Make an empty index for vectors of `dim` values."""
    if backend not in BACKENDS:
        raise BackendError(f"There is no index backend {backend!r}: choose one of {', '.join(BACKENDS)}.")
    module, _, name = BACKENDS[backend].partition(":")
    index: VectorIndex = getattr(importlib.import_module(module), name)(dim)
    return index
