"""Whose brand does a region look like, and of which picture is a photo a copy? What a replica holds and asks.

A `ReferenceCatalogue` is the immutable answer for one model and one state of the store; `serving.pipeline` asks it in
the identify and search steps. It is built from the store or read from a snapshot (`open_catalogue` decides), and
`index.refresh` replaces it by a newer one when the store has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.backends import create_index
from index.columns import CatalogueColumns, ReferenceSource, gather, with_removed_images
from index.copies import CopyMatch, CopyTable
from index.lookalikes import Lookalike, LookalikeTable
from index.matches import BrandMatch, ReferenceHit, best_brands, distinct_references
from index.records import ChangeKind
from index.snapshot import FORMAT_VERSION, Snapshot, current_snapshot, load_snapshot, read_manifest, write_snapshot
from index.vectors import PADDING_ID, Hits, VectorIndex, check_vectors
from vision.hashing import MATCH_DISTANCE

logger = logging.getLogger(__name__)

DEFAULT_BACKEND = "faiss"
_VERSION_DIGITS = 8
# `best_per_brand` asks for this many hits a region. In a flat search of 100,000 vectors that takes 3% longer than 10.
_DEPTH = 1_024


class ReferenceCatalogue:
    """All active references as one model sees them. Immutable; any number of threads may ask at once.

    `version` is the store's version and a short digest of the content, such as "42-1f9a03cc".
    """

    def __init__(
        self,
        columns: CatalogueColumns,
        *,
        fingerprint: str,
        store_version: int,
        version: str,
        backend: str,
        indexes: Mapping[bool, VectorIndex] | None = None,
    ) -> None:
        """Hold `columns`; `indexes`, when given, hold their vectors under their row numbers already."""
        self.fingerprint = fingerprint
        self.store_version = store_version
        self.version = version
        self.backend = backend
        self._columns = columns
        self._copies = CopyTable(columns)
        self._lookalikes = LookalikeTable(columns, backend)
        # Marks and photos of products have vectors that do not compare: an index for each.
        self._indexes = _fill(columns, backend) if indexes is None else indexes
        self._searched_brands = len(np.unique(columns.reference_brands[columns.vector_references]))
        self._most_views = int(np.bincount(columns.vector_references).max(initial=1))

    @classmethod
    def build(cls, source: ReferenceSource, fingerprint: str, backend: str = DEFAULT_BACKEND) -> Self:
        """Read the catalogue from the store. What is written to the store meanwhile may or may not be in it."""
        columns, store_version, version = _gather(source, fingerprint)
        return cls(columns, fingerprint=fingerprint, store_version=store_version, version=version, backend=backend)

    def renewed(self, source: ReferenceSource) -> Self | None:
        """Build the catalogue of the store's present state for the same model; None when this one is of that state.

        While only listings were removed, their photos are read and the vectors are kept.
        """
        store_version = source.version()
        if store_version == self.store_version:
            return None
        changes = source.changes_after(self.store_version)
        complete = bool(changes) and changes[-1].version >= store_version
        if not complete or any(change.kind is not ChangeKind.REMOVED_LISTING for change in changes):
            return self.build(source, self.fingerprint, self.backend)
        columns = with_removed_images(self._columns, source.iter_removed_images(), self.fingerprint)
        return type(self)(
            columns,
            fingerprint=self.fingerprint,
            store_version=store_version,
            version=_version(columns, store_version),
            backend=self.backend,
            indexes=self._indexes,
        )

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, backend: str = DEFAULT_BACKEND) -> Self:
        """Make the catalogue of a verified snapshot, equal to the one that was written."""
        manifest = snapshot.manifest
        return cls(
            snapshot.columns,
            fingerprint=manifest.fingerprint,
            store_version=manifest.store_version,
            version=manifest.index_version,
            backend=backend,
        )

    def to_snapshot(self, root: Path) -> Path:
        """Write the catalogue below `root` and make it the current snapshot there."""
        return write_snapshot(
            root,
            self._columns,
            fingerprint=self.fingerprint,
            store_version=self.store_version,
            index_version=self.version,
        )

    def __len__(self) -> int:
        """Count the references."""
        return len(self._columns.reference_ids)

    @property
    def brand_count(self) -> int:
        """Count the brands that have at least one searchable reference."""
        return self._searched_brands

    @property
    def dim(self) -> int:
        """Length of a vector; 0 while the catalogue holds none."""
        return int(self._columns.vectors.shape[1])

    def search(self, vectors: NDArray[np.float32], k: int, *, photos: int = 0) -> tuple[tuple[ReferenceHit, ...], ...]:
        """Find up to k references for each region, float32 [r, dim] with unit rows; best first, each once.

        The first `photos` rows are whole photos, which are compared with photos of products, the others with marks.
        """
        # So many hits hold at least k different references.
        return tuple(distinct_references(self._columns, self._hits(vectors, k * self._most_views, photos), k))

    def best_per_brand(self, vectors: NDArray[np.float32], most: int, *, photos: int = 0) -> tuple[BrandMatch, ...]:
        """Find the brands that any region looks like, each with its best pair of region and reference, best first.

        vectors: float32 [r, dim] with unit rows, the first `photos` of whole photos, as for `search`. At most `most`
        brands. The answer is that of comparing everything, unless some region has 1,024 vectors more similar than one
        that counts; that one is then taken to be as similar as the last of them.
        """
        depth = min(_DEPTH, max(len(index) for index in self._indexes.values()))
        if min(most, depth) < 1:
            return ()
        hits = self._hits(vectors, depth, photos)
        last = np.where(hits.ids[:, -1] == PADDING_ID, -1.0, hits.scores[:, -1])
        return best_brands(self._columns, hits, most, unlisted=float(last.max(initial=-1.0)))

    def match_of(self, brand_id: str, vectors: NDArray[np.float32], *, photos: int = 0) -> BrandMatch | None:
        """Compare all regions with one brand's references, as `best_per_brand` would had it proposed that brand.

        None for a brand that has no reference to compare with.
        """
        columns = self._columns
        wanted = (columns.brand_ids == brand_id.encode())[columns.reference_brands[columns.vector_references]]
        rows = np.flatnonzero(wanted).astype(np.int64)
        if not len(rows) or not len(vectors):
            return None
        marks = columns.reference_marks[columns.vector_references[rows]]
        comparable = marks == (np.arange(len(vectors)) >= photos)[:, None]
        hits = Hits(np.where(comparable, rows, PADDING_ID), (vectors @ columns.vectors[rows].T).astype(np.float32))
        return next(iter(best_brands(columns, hits, 1, unlisted=-1.0)), None)

    def near_duplicates(
        self,
        bits: NDArray[np.uint8],
        mirrored_bits: NDArray[np.uint8],
        sha256s: Sequence[str],
        *,
        usable: NDArray[np.bool_] | None = None,
        max_distance: int = MATCH_DISTANCE,
    ) -> tuple[CopyMatch, ...]:
        """Find the pictures on record that n photos are copies of: see `CopyTable.find`."""
        return self._copies.find(bits, mirrored_bits, sha256s, usable=usable, max_distance=max_distance)

    def lookalikes(self, vectors: NDArray[np.float32], *, most: int) -> tuple[Lookalike, ...]:
        """Find the pictures on record that n whole photos may be made from: see `LookalikeTable.find`."""
        return self._lookalikes.find(vectors, most=most)

    def _hits(self, vectors: NDArray[np.float32], k: int, photos: int) -> Hits:
        if len(self._columns.vectors) == 0:  # no reference, so no telling what dim would be right
            return Hits(np.empty((len(vectors), 0), dtype=np.int64), np.empty((len(vectors), 0), dtype=np.float32))
        check_vectors(vectors, self.dim)
        parts = self._indexes[False].search(vectors[:photos], k), self._indexes[True].search(vectors[photos:], k)
        return Hits(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))


def open_catalogue(
    source: ReferenceSource, directory: Path, fingerprint: str, backend: str = DEFAULT_BACKEND
) -> ReferenceCatalogue:
    """Give the catalogue of the store's present state, from the snapshot in `directory` when that is of this state.

    A missing snapshot is written, and one of another state replaced. One that is damaged, of another model or of an
    unknown format is refused with `SnapshotError`: an operator should know before it is overwritten.
    """
    path = current_snapshot(directory)
    if path is not None:
        manifest = read_manifest(path, fingerprint=fingerprint)
        if manifest.format_version == FORMAT_VERSION and manifest.store_version == source.version():
            return ReferenceCatalogue.from_snapshot(load_snapshot(path, fingerprint=fingerprint), backend)
        logger.info("snapshot %s is of another version or form than the store's: building anew", path)
    return build_catalogue(source, directory, fingerprint, backend)


def build_catalogue(
    source: ReferenceSource, directory: Path, fingerprint: str, backend: str = DEFAULT_BACKEND
) -> ReferenceCatalogue:
    """Build from the store whatever lies in `directory`, and write it there as the current snapshot."""
    columns, store_version, version = _gather(source, fingerprint)
    path = write_snapshot(
        directory, columns, fingerprint=fingerprint, store_version=store_version, index_version=version
    )
    # Read back, the vectors are mapped: they are in memory once for all processes, not once for each.
    return ReferenceCatalogue.from_snapshot(load_snapshot(path, fingerprint=fingerprint), backend)


def _gather(source: ReferenceSource, fingerprint: str) -> tuple[CatalogueColumns, int, str]:
    """Read the store's content, its version, and the version that the content goes by."""
    # The version comes first: content newer than it says makes the next refresh run once more, never once too few.
    store_version = source.version()
    columns = gather(source, fingerprint)
    return columns, store_version, _version(columns, store_version)


def _version(columns: CatalogueColumns, store_version: int) -> str:
    return f"{store_version}-{columns.sha256()[:_VERSION_DIGITS]}"


def _fill(columns: CatalogueColumns, backend: str) -> Mapping[bool, VectorIndex]:
    """Make the index of marks (True) and that of photos, all vectors under their row numbers."""
    marks = columns.reference_marks[columns.vector_references]
    indexes = {kind: create_index(backend, columns.vectors.shape[1]) for kind in (False, True)}
    for kind, index in indexes.items():
        rows = np.flatnonzero(marks == kind).astype(np.int64)
        if len(rows):
            index.add(rows, columns.vectors if len(rows) == len(marks) else columns.vectors[rows])
    return indexes
