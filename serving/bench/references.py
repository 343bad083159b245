"""What does a search cost among ten thousand references, and among a hundred thousand? Catalogues of any size.

Stand-ins fill the registry's own catalogue up: each is one of its marks, moved by the difference between two others of
its brand table, so that they lie as marks do. All are searched by regions of the run's photos, and whole decisions are
taken with each catalogue in turn.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import large_index
from index.catalogue import ReferenceCatalogue
from index.columns import CatalogueColumns
from index.exact import ExactIndex
from index.opening import catalogue_of
from index.snapshot import load_snapshot, write_snapshot
from index.stand_ins import columns_of
from serving.bench.figures import SearchFigures
from serving.bench.timing import median_seconds
from serving.domain import Listing
from serving.pipeline import Pipeline

_K = 10
_AT_ONCE = 16  # regions of a search: a listing of four photos
_MOVED = 0.5  # how far a stand-in lies from its mark, by the difference between two others
_SEED = 5


def measure_search(
    pipeline: Pipeline,
    own: ReferenceCatalogue,
    listings: Sequence[Listing],
    queries: NDArray[np.float32],
    folder: Path,
    *,
    sizes: Sequence[int],
    repeats: int,
) -> tuple[dict[int, SearchFigures], dict[str, float]]:
    """Measure each size, filled up from the registry's `own` catalogue, which is of one layer; and a decision's stages.

    `queries` are regions, float32 [n, dim], and each of the `listings` is decided on `repeats` times. The stages' times
    are medians in ms, of decisions among the most references.
    """
    catalogues = {size: _catalogue(own, size, folder / str(size)) for size in sizes}
    timings = _decide(pipeline, listings, catalogues, repeats)
    for catalogue in catalogues.values():
        _search(catalogue, queries)
    figures = {
        size: SearchFigures(
            qps=len(queries) / median_seconds(partial(_search, catalogue, queries), repeats),
            recall_at_10=_recall(catalogue, queries),
            bytes=_bytes(catalogue, folder / str(size)),
            share=statistics.median(each["search"] / each["total"] for each in timings[size]),
            decision_ms=statistics.median(each["total"] for each in timings[size]),
        )
        for size, catalogue in catalogues.items()
    }
    largest = timings[max(timings)]
    return figures, {stage: statistics.median(each[stage] for each in largest) for stage in largest[0]}


def _decide(
    pipeline: Pipeline, listings: Sequence[Listing], catalogues: dict[int, ReferenceCatalogue], repeats: int
) -> dict[int, list[Mapping[str, float]]]:
    """Decide on each listing with each catalogue in turn, so that a slow moment meets all; ms by stage."""
    known = pipeline.knowledge()
    taken: dict[int, list[Mapping[str, float]]] = {size: [] for size in catalogues}
    for number in range(repeats + 1):
        for listing in listings:
            for size, catalogue in catalogues.items():
                here = replace(pipeline, knowledge=partial(replace, known, catalogue=catalogue))
                decision = here.screen(listing).decision
                if number:  # the first round warms caches up
                    taken[size].append(decision.timings_ms)
    return taken


def _catalogue(own: ReferenceCatalogue, size: int, folder: Path) -> ReferenceCatalogue:
    """Write the registry's catalogue, filled up to `size` vectors, as the builder does, and open it as a replica."""
    real = own.layers[0].columns
    columns = _joined(real, columns_of(_moved(real.vectors, max(1, size - len(real.vectors)))))
    empty = ReferenceCatalogue.of(columns, fingerprint=own.fingerprint, store_version=1, store_mark="", backend="exact")
    rows = np.arange(len(columns.vectors), dtype=np.int64)
    large = len(rows) > large_index.EXACT_UP_TO and own.backend.startswith("faiss")
    write_snapshot(
        folder,
        columns,
        fingerprint=own.fingerprint,
        store_version=1,
        store_mark="",
        index_version=empty.version,
        trained={"marks": large_index.writer(columns.vectors, rows)} if large else {},
    )
    return catalogue_of(load_snapshot(_only(folder), fingerprint=own.fingerprint), own.backend)


def _moved(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    random = np.random.default_rng(_SEED)
    moved = np.empty((count, vectors.shape[1]), np.float32)
    for start in range(0, count, 8_192):
        picked = random.integers(0, len(vectors), (3, min(8_192, count - start)))
        rows = vectors[picked[0]] + _MOVED * (vectors[picked[1]] - vectors[picked[2]])
        moved[start : start + len(rows)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return moved


def _joined(first: CatalogueColumns, second: CatalogueColumns) -> CatalogueColumns:
    """Put the columns of two catalogues behind each other: ids of the second sort behind those of the first."""
    parts: dict[str, list[NDArray[Any]]] = {name: [column] for name, column in first.named()}
    rows = {"vector_references": len(first.reference_ids), "reference_brands": len(first.brand_ids)}
    for name, column in second.named():
        if not name.startswith("lookalike"):  # of which the second has none
            parts[name].append((column + rows[name]).astype(column.dtype) if name in rows else column)
    return CatalogueColumns(**{name: np.concatenate(each) for name, each in parts.items()})


def _search(catalogue: ReferenceCatalogue, queries: NDArray[np.float32]) -> None:
    for start in range(0, len(queries), _AT_ONCE):
        catalogue.search(queries[start : start + _AT_ONCE], _K)


def _recall(catalogue: ReferenceCatalogue, queries: NDArray[np.float32]) -> float:
    """Compare with exact search: the share of its ten best scores that are reached, ties counting alike."""
    columns = catalogue.layers[0].columns
    exact = ExactIndex(catalogue.dim)
    exact.add(np.arange(len(columns.vectors), dtype=np.int64), np.asarray(columns.vectors))
    best = exact.search(queries, _K).scores
    found = catalogue.layers[0].hits(queries, _K, photos=0).scores
    return float(np.mean(found >= best[:, -1:] - 2e-6))


def _bytes(catalogue: ReferenceCatalogue, folder: Path) -> int:
    """Say what is searched: the trained index's file, or the vectors themselves."""
    trained = [file.stat().st_size for file in _only(folder).glob("*.faiss")]
    return sum(trained) or int(catalogue.layers[0].columns.vectors.nbytes)


def _only(folder: Path) -> Path:
    (path,) = folder.glob("snapshot-*")
    return path
