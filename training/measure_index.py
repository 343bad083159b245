"""How well does a large index find what exact comparison finds, on embeddings of real marks? For docs/index.md.

    python -m training.measure_index --photos PHOTOS.jsonl --cache real.npz --vectors 10000 100000 1000000 --dim 512

References and queries are those of `training.real_vectors`. Recall at 10 is the share of the ten nearest by exact
comparison that the index names; a near duplicate is a reference that was compressed again, and what resembles it most
by exact comparison must come first. Each index is the one that the builder makes, written to a file and mapped from it;
`start_s` is what a replica takes to read, verify and search a snapshot of so many references.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from index import large_index
from index.catalogue import ReferenceCatalogue
from index.columns import CatalogueColumns
from index.faiss_index import FaissIndex
from index.opening import open_snapshot
from index.snapshot import write_snapshot
from index.stand_ins import columns_of
from index.vectors import Searchable
from training.progress import progress_bar
from training.real_vectors import FloatArray, RealVectors, real_vectors, with_jitter

_K = 10
_BATCH = 16  # regions of a listing
_BLOCK_ROWS = 65_536
_EXACT_UP_TO = 10_000  # compared by both, whatever is served
_EQUAL = 2e-6  # similarities that differ by less are those of equal vectors
_MODEL = "measured@1"


@dataclass(frozen=True, kw_only=True)
class IndexFigures:
    """What was measured of one index. `load_ms` and `start_s` are from opening the file to the first answer."""

    index: str
    vectors: int
    dim: int
    recall_at_10: float
    near_duplicates_first: float
    build_s: float
    file_mib: float
    load_ms: float
    start_s: float
    memory_mib: float
    ms_of_1: float
    ms_of_16: float


def measure(real: RealVectors, vectors: FloatArray, folder: Path) -> Iterator[IndexFigures]:
    """Measure every index that is right for so many vectors, float32 [n, dim] with unit rows."""
    rows = np.arange(len(vectors), dtype=np.int64)
    nearest = exact_nearest(real.photos, vectors, _K)
    stored = folder / "stored.npy"
    np.save(stored, vectors)
    mapped: FloatArray = np.load(stored, mmap_mode="r")
    columns = columns_of(mapped)

    def flat() -> Searchable:
        index = FaissIndex(vectors.shape[1])
        index.add(rows, mapped)
        return index

    if len(vectors) <= _EXACT_UP_TO:
        start = _start(folder / "exact", columns, {}, real)
        yield _figures("exact", real, nearest, flat, build_s=0.0, file=None, vectors=mapped, start=start)
    file = folder / "trained.faiss"
    began = time.monotonic()
    large_index.writer(mapped, rows)(file)
    build_s = time.monotonic() - began
    yield _figures(
        "trained",
        real,
        nearest,
        lambda: large_index.read(file, mapped),
        build_s=build_s,
        file=file,
        vectors=mapped,
        start=_start(folder / "trained", columns, {"marks": lambda path: path.write_bytes(file.read_bytes())}, real),
    )


def _start(
    folder: Path, columns: CatalogueColumns, trained: Mapping[str, Callable[[Path], object]], real: RealVectors
) -> tuple[float, float]:
    """Write a snapshot and start from it: seconds to the first answer, and MiB that the process grew by."""
    empty = ReferenceCatalogue.of(columns, fingerprint=_MODEL, store_version=1, store_mark="", backend="exact")
    write_snapshot(
        folder,
        columns,
        fingerprint=_MODEL,
        store_version=1,
        store_mark="",
        index_version=empty.version,
        trained=trained,
    )
    del empty
    before, began = _own_memory_mib(), time.monotonic()
    catalogue = open_snapshot(folder, _MODEL, "faiss")
    assert catalogue is not None
    catalogue.best_per_brand(real.photos[:1], 5)
    return time.monotonic() - began, _own_memory_mib() - before


def _own_memory_mib() -> float:
    """Say how much memory is this process's alone: what is mapped from files is shared by all of them."""
    resident, shared = map(int, Path("/proc/self/statm").read_text(encoding="ascii").split()[1:3])
    return (resident - shared) * resource.getpagesize() / 2**20


def exact_nearest(queries: FloatArray, vectors: FloatArray, k: int) -> NDArray[np.int64]:
    """Find the k nearest of `vectors` for each query by comparing all, a block at a time: int64 [q, k]."""
    best_scores = np.full((len(queries), k), -np.inf, np.float32)
    best = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(vectors), _BLOCK_ROWS):
        scores = queries @ vectors[start : start + _BLOCK_ROWS].T
        rows = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]
        joined_scores = np.concatenate([best_scores, np.take_along_axis(scores, rows, axis=1)], axis=1)
        joined = np.concatenate([best, rows + start], axis=1)
        kept = np.argsort(-joined_scores, axis=1, kind="stable")[:, :k]
        best_scores = np.take_along_axis(joined_scores, kept, axis=1)
        best = np.take_along_axis(joined, kept, axis=1)
    return best


def recall(found: NDArray[np.int64], nearest: NDArray[np.int64]) -> float:
    """Give the share of `nearest`, int64 [q, k], that is found, in whatever order."""
    shared = [len(set(mine) & set(theirs)) for mine, theirs in zip(found.tolist(), nearest.tolist(), strict=True)]
    return float(sum(shared) / nearest.size)


def _figures(
    name: str,
    real: RealVectors,
    nearest: NDArray[np.int64],
    load: Callable[[], Searchable],
    *,
    build_s: float,
    file: Path | None,
    vectors: FloatArray,
    start: tuple[float, float],
) -> IndexFigures:
    began = time.monotonic()
    index = load()
    index.search(real.photos[:1], _K)
    load_ms = 1e3 * (time.monotonic() - began)
    copies = real.copies[real.copy_references < len(vectors)]
    first, true = _searched(index, copies, 1), exact_nearest(copies, vectors, 1)
    # The same mark may be there twice.
    resemblance, best = (np.einsum("qd,qd->q", copies, vectors[rows[:, 0]]) for rows in (first, true))
    return IndexFigures(
        index=name,
        vectors=len(vectors),
        dim=real.references.shape[1],
        recall_at_10=recall(_searched(index, real.photos, _K), nearest),
        near_duplicates_first=float((resemblance >= best - _EQUAL).mean()),
        build_s=build_s,
        file_mib=file.stat().st_size / 2**20 if file else 0.0,
        load_ms=load_ms,
        start_s=start[0],
        memory_mib=start[1],
        ms_of_1=_median_ms(index, real.photos, 1),
        ms_of_16=_median_ms(index, real.photos, _BATCH),
    )


def _searched(index: Searchable, queries: FloatArray, k: int) -> NDArray[np.int64]:
    parts = [index.search(queries[at : at + _BATCH], k).ids for at in range(0, len(queries), _BATCH)]
    return np.concatenate(parts)


def _median_ms(index: Searchable, queries: FloatArray, batch: int, *, times: int = 50) -> float:
    taken = []
    for number in range(times):
        at = number * batch % max(1, len(queries) - batch)
        began = time.perf_counter()
        index.search(queries[at : at + batch], _K)
        taken.append(1e3 * (time.perf_counter() - began))
    return float(np.median(taken))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures of every size that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="listing manifest of photos to print marks on")
    parser.add_argument("--cache", type=Path, required=True, help="file that keeps the embeddings")
    parser.add_argument("--queries", type=int, default=1_000, help="photos of marks, and as many near duplicates")
    parser.add_argument("--vectors", type=int, nargs="+", default=[10_000, 100_000], help="sizes to measure")
    parser.add_argument("--dim", type=int, default=512, help="directions kept, at most the model's")
    options = parser.parse_args(arguments)
    with progress_bar("embedding") as progress:
        real = real_vectors(options.cache, options.photos, queries=options.queries, progress=progress)
    real = real.projected(options.dim)
    table = Table(*(field.name for field in fields(IndexFigures)))
    for count in options.vectors:
        print(f"{count} vectors", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            for figures in measure(real, with_jitter(real, count), Path(folder)):
                table.add_row(*(_shown(getattr(figures, field.name)) for field in fields(IndexFigures)))
    Console(width=160).print(table)


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
