"""Which library searches the vectors, and where? A literal table of names, each resolved only when it is asked for.

A backend is a name, "faiss", or a name and a device, "faiss@cuda:0".
"""

from __future__ import annotations

import importlib

from index.errors import BackendError
from index.vectors import VectorIndex

BACKENDS = {
    "exact": "index.exact:ExactIndex",
    "faiss": "index.faiss_index:FaissIndex",
}


# Those whose indexes queue up at one thread for each device and work.
_OWNED = frozenset({"faiss"})


def create_index(backend: str, dim: int, *, work: str = "") -> VectorIndex:
    """Make an empty index for vectors of `dim` values. Searches for one `work` do not wait for those of another."""
    name, device = split(backend)
    if name not in BACKENDS:
        raise BackendError(f"There is no index backend {name!r}: choose one of {', '.join(BACKENDS)}.")
    module, _, kind = BACKENDS[name].partition(":")
    make = getattr(importlib.import_module(module), kind)
    options = {"device": device} if device else {}
    if work and name in _OWNED:
        options["work"] = work
    index: VectorIndex = make(dim, **options)
    return index


def split(backend: str) -> tuple[str, str]:
    """Split a backend into its name and its device, "" where none is given."""
    name, _, device = backend.partition("@")
    return name, device


def backend_on(name: str, device: str) -> str:
    """Give the backend `name` on the device that the settings name: "auto", "cpu", "cuda" or "cuda:N".

    FAISS searches on a GPU when its GPU build is installed and the model runs there; everything else stays on the CPU.
    """
    if name != "faiss" or device == "cpu":
        return name
    from index.faiss_index import import_faiss

    if import_faiss().get_num_gpus() == 0:  # `auto` without a GPU, or the model on one and FAISS's build for CPUs
        return name
    number = device.partition(":")[2] or "0"
    return f"{name}@cuda:{number}"
