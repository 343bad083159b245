"""What can be searched at once, and which of it no longer counts? A catalogue is one large layer and a few small ones.

The first layer of a catalogue is its base, read from a snapshot; those above hold what was added or changed since. What
a later layer says of a reference or of a removed listing takes the place of what the layers below say, where it is
masked: a reference that was retired is masked and stands nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from index.backends import create_index
from index.brand_table import BrandTable
from index.columns import CatalogueColumns
from index.copies import CopyTable
from index.lookalikes import LookalikeTable
from index.records import ReferenceKind
from index.vectors import PADDING_ID, Hits, Searchable, live_hits, ranked

Indexes = Mapping[bool, Searchable]


@dataclass(frozen=True, eq=False, kw_only=True)
class Tables:
    """Columns with all that is made of them once. Immutable; any number of threads may ask at once.

    Marks (True) and photos of products (False) have vectors that do not compare: an index for each, by vector row.
    """

    columns: CatalogueColumns
    indexes: Indexes
    copies: CopyTable
    lookalikes: LookalikeTable
    brand_rows: NDArray[np.int64]  # [b], row in the catalogue's brand table
    groups: NDArray[np.int64]  # [m], see `groups_of`
    searched: NDArray[np.bool_]  # [m], whether a reference has a vector
    most_views: int

    @classmethod
    def of(
        cls, columns: CatalogueColumns, brands: BrandTable, backend: str, *, trained: Indexes | None = None
    ) -> Tables:
        """Make all tables; those indexes that are `trained` hold their vectors already."""
        brand_rows = np.array([brands.rows[name.decode()] for name in columns.brand_ids.tolist()], dtype=np.int64)
        views = np.bincount(columns.vector_references, minlength=len(columns.reference_ids))
        return cls(
            columns=columns,
            indexes={mark: (trained or {}).get(mark) or _filled(columns, backend, mark) for mark in (False, True)},
            copies=CopyTable(columns),
            lookalikes=LookalikeTable(columns, backend),
            brand_rows=brand_rows,
            groups=groups_of(brand_rows[columns.reference_brands], columns.reference_kinds),
            searched=views > 0,
            most_views=int(views.max(initial=1)),
        )


@dataclass(frozen=True, eq=False)
class Layer:
    """Tables, and which of their pictures are masked: bool [c]; the first of them are the references'. Immutable."""

    tables: Tables
    masked: NDArray[np.bool_]
    masked_vectors: int = 0

    @classmethod
    def whole(cls, tables: Tables) -> Layer:
        """Make a layer of which everything counts."""
        return cls(tables, np.zeros(len(tables.columns.copy_sha256), dtype=np.bool_))

    @property
    def columns(self) -> CatalogueColumns:
        """What the layer holds, masked or not."""
        return self.tables.columns

    @property
    def masked_references(self) -> NDArray[np.bool_]:
        """Which references are masked: bool [m]."""
        return self.masked[: len(self.columns.reference_ids)]

    @cached_property
    def digest(self) -> int:
        """The sum of the digests of all that counts; it may exceed 64 bits."""
        columns, gone = self.columns, self.masked_references
        kept = columns.reference_digests[~gone], columns.copy_digests[~self.masked]
        return sum(int(digests.sum()) for digests in kept)

    def __len__(self) -> int:
        """Count the references that count."""
        return len(self.columns.reference_ids) - int(np.count_nonzero(self.masked_references))

    def without(self, reference_ids: Collection[str], listing_ids: Collection[str]) -> Layer:
        """Mask these references and the photos of these removed listings, those of them that are here."""
        columns = self.columns
        references = len(columns.reference_ids)
        rows = np.concatenate(
            [
                _rows_of(columns.reference_ids, reference_ids),
                references + _rows_of(columns.copy_source_ids[references:], listing_ids),
            ]
        )
        if self.masked[rows].all():
            return self
        masked = self.masked.copy()
        masked[rows] = True
        gone = np.count_nonzero(masked[:references][columns.vector_references])
        return Layer(self.tables, masked, int(gone))

    def hits(self, vectors: NDArray[np.float32], k: int, *, photos: int) -> Hits:
        """Find the k best vector rows for each region; the first `photos` of those are compared with products."""
        gone = self.masked_references
        parts = [
            live_hits(
                self.tables.indexes[mark],
                asked,
                k,
                masked=lambda rows: gone[self.columns.vector_references[rows]],
                masked_count=self.masked_vectors,
            )
            for mark, asked in ((False, vectors[:photos]), (True, vectors[photos:]))
        ]
        return Hits(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))

    def hits_of_brand(self, brand_row: int, vectors: NDArray[np.float32], *, photos: int) -> Hits:
        """Compare all regions with all of one brand's vectors."""
        columns = self.columns
        wanted = (self.tables.brand_rows == brand_row)[columns.reference_brands] & ~self.masked_references
        rows = np.flatnonzero(wanted[columns.vector_references]).astype(np.int64)
        if not len(rows):
            return ranked(np.empty((len(vectors), 0), np.int64), np.empty((len(vectors), 0), np.float32), 0)
        marks = columns.reference_marks[columns.vector_references[rows]]
        comparable = marks == (np.arange(len(vectors)) >= photos)[:, None]
        scores = (vectors @ columns.vectors[rows].T).astype(np.float32)
        return ranked(np.where(comparable, rows, PADDING_ID), scores, len(rows))

    @cached_property
    def searched(self) -> dict[bool, int]:
        """How many vectors of marks (True) and of photos of products (False) count."""
        kept = ~self.masked_references[self.columns.vector_references]
        marks = self.columns.reference_marks[self.columns.vector_references] & kept
        of_marks = int(np.count_nonzero(marks))
        return {True: of_marks, False: int(np.count_nonzero(kept)) - of_marks}

    @cached_property
    def group_sizes(self) -> NDArray[np.int64]:
        """How many searched references each group (`groups_of`) has: int64, up to the last group that has one."""
        return np.bincount(self.tables.groups[self.tables.searched & ~self.masked_references])


def groups_of(brand_rows: NDArray[np.int64], kinds: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Give references the groups in which they must agree, int64 [m]: two a brand, odd for its examples."""
    groups: NDArray[np.int64] = brand_rows * 2 + (kinds == ReferenceKind.EXAMPLE.encode())
    return groups


def _rows_of(ascending: NDArray[np.bytes_], names: Collection[str]) -> NDArray[np.int64]:
    """Find the rows of an ascending column, text [n], that hold one of the names."""
    found = [np.empty(0, dtype=np.int64)]
    width = ascending.dtype.itemsize
    for name in filter(lambda known: len(known) <= width, map(str.encode, names)):
        # As wide as the column: for another width numpy would copy all of it.
        wanted = np.array(name, dtype=ascending.dtype)
        start, end = (int(np.searchsorted(ascending, wanted, side=side)) for side in ("left", "right"))
        found.append(np.arange(start, end, dtype=np.int64))
    return np.concatenate(found)


def _filled(columns: CatalogueColumns, backend: str, mark: bool) -> Searchable:
    """Make the index of marks or that of photos, all vectors under their row numbers."""
    of_kind = columns.reference_marks[columns.vector_references] == mark
    rows = np.flatnonzero(of_kind).astype(np.int64)
    index = create_index(backend, columns.vectors.shape[1])
    if len(rows):
        index.add(rows, columns.vectors if len(rows) == len(of_kind) else columns.vectors[rows])
    return index
