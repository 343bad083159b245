"""Which catalogue does a process begin with? The snapshot's, brought up to date, or one that is built of the store.

The store is the truth, and an index is a cache of it. So nothing that is wrong with a snapshot keeps a service from
starting: it is refused by name in the log, and another one is made.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from index import large_index
from index.backends import split
from index.build_lock import building
from index.catalogue import DEFAULT_BACKEND, ReferenceCatalogue
from index.columns import CatalogueColumns, ReferenceSource
from index.errors import SnapshotError
from index.snapshot import FORMAT_VERSION, Snapshot, current_snapshot, load_snapshot, read_manifest, write_snapshot
from index.vectors import Searchable

logger = logging.getLogger(__name__)

# A new base is due when so many changes came since the last: a twentieth of the references, within these bounds. Each
# thousand changes make a layer, and a layer adds about 0.3 ms to a search; beyond ten of them that begins to show.
_DUE_SHARE = 20
_DUE_LEAST, _DUE_MOST = 1_000, 10_000
_NAMES = {True: "marks", False: "photos"}
# Snapshots that vanish while they are opened, because others were made meanwhile, in a row.
_RACES = 5


def open_catalogue(
    source: ReferenceSource, directory: Path, fingerprint: str, backend: str = DEFAULT_BACKEND
) -> ReferenceCatalogue:
    """Give the catalogue of the store's present state.

    The snapshot in `directory` is its base when it can be and not too much has changed since. Otherwise a new one is
    built and written there; where that cannot be done, or another process is at it, the catalogue stands in memory.
    """
    try:
        opened = open_snapshot(directory, fingerprint, backend)
    except SnapshotError as error:
        logger.warning("%s The index is built anew from the store.", error)
        opened = None
    if opened is not None and not opened.is_of(source):
        logger.warning(
            "The index in %s is of another store, or of a state that was taken back: building anew.", directory
        )
    elif opened is not None and not is_due(opened, source.version()):
        return opened.up_to_date(source)
    try:
        with building(directory) as alone:
            if alone:
                return build_catalogue(source, directory, fingerprint, backend)
    except SnapshotError as error:
        logger.warning("%s The index is kept in memory.", error)
    return ReferenceCatalogue.build(source, fingerprint, backend)


def open_snapshot(directory: Path, fingerprint: str, backend: str) -> ReferenceCatalogue | None:
    """Give the catalogue of the current snapshot; None when there is none of the present format. Raises SnapshotError.

    Snapshots may be made and removed meanwhile.
    """
    for _ in range(_RACES):
        path = current_snapshot(directory)
        if path is None:
            return None
        try:
            if read_manifest(path, fingerprint=fingerprint).format_version != FORMAT_VERSION:
                logger.info("snapshot %s is of an older format: building anew", path)
                return None
            return catalogue_of(load_snapshot(path, fingerprint=fingerprint), backend)
        except SnapshotError:
            if current_snapshot(directory) == path:
                raise
    raise SnapshotError(f"{directory} has a new snapshot each time the last one is opened: build less often.")


def catalogue_of(snapshot: Snapshot, backend: str) -> ReferenceCatalogue:
    """Make the catalogue of a verified snapshot, with the indexes that were trained for it."""
    trained: Mapping[bool, Searchable] = {}
    if split(backend)[0] == "faiss":
        trained = {
            mark: large_index.read(snapshot.trained[name], snapshot.columns.vectors)
            for mark, name in _NAMES.items()
            if name in snapshot.trained
        }
    catalogue = ReferenceCatalogue.from_snapshot(snapshot, backend, trained=trained)
    manifest = snapshot.manifest
    if manifest.format_version == FORMAT_VERSION and catalogue.version != manifest.index_version:
        raise SnapshotError(
            f"{snapshot.path} holds version {catalogue.version}, but its manifest says {manifest.index_version}: "
            "rebuild it from the store with `touchstone index build`."
        )
    return catalogue


def is_due(catalogue: ReferenceCatalogue, store_version: int) -> bool:
    """Tell whether so much has changed since the catalogue's base was read that a new one is due."""
    changes = store_version - catalogue.base_version
    return changes < 0 or changes > changes_until_due(len(catalogue))


def changes_until_due(references: int) -> int:
    """Say after how many changes a new base is due."""
    return min(max(references // _DUE_SHARE, _DUE_LEAST), _DUE_MOST)


def build_catalogue(
    source: ReferenceSource, directory: Path, fingerprint: str, backend: str = DEFAULT_BACKEND
) -> ReferenceCatalogue:
    """Build from the store whatever lies in `directory`, and write it there as the current snapshot."""
    built = ReferenceCatalogue.build(source, fingerprint, "exact")  # whose indexes cost nothing
    columns = built.layers[0].columns
    path = write_snapshot(
        directory,
        columns,
        fingerprint=fingerprint,
        store_version=built.store_version,
        store_mark=built.store_mark,
        index_version=built.version,
        trained={
            _NAMES[mark]: large_index.writer(columns.vectors, rows)
            for mark, rows in _large(columns).items()
            if split(backend)[0] == "faiss"
        },
    )
    # Read back, the vectors are mapped: they are in memory once for all processes, not once for each.
    return catalogue_of(load_snapshot(path, fingerprint=fingerprint), backend)


def _large(columns: CatalogueColumns) -> dict[bool, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Give the vector rows of each kind of which there are too many to compare one by one."""
    marks = columns.reference_marks[columns.vector_references]
    rows = {mark: np.flatnonzero(marks == mark).astype(np.int64) for mark in _NAMES}
    return {mark: of_kind for mark, of_kind in rows.items() if len(of_kind) > large_index.EXACT_UP_TO}
