"""Whose brand does a region look like, and of which picture is a photo a copy? What a replica holds and asks.

A `ReferenceCatalogue` is the immutable answer for one model and one state of the store; `serving.pipeline` asks it in
the identify and search steps. Its first layer is the base, read from a snapshot (`index.opening`) or built from the
store; what changed since lies in small layers above it, and `renewed` adds the newest changes in milliseconds. Which
layers there are makes no difference to any answer: it is that of a catalogue built anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from index.additions import Additions, Changed, read_changes
from index.brand_table import BrandTable
from index.columns import CatalogueColumns, LaidOut, ReferenceSource, gather, lay_out
from index.layer import Indexes, Layer, Tables
from index.matches import BrandMatch, HitTable, ReferenceHit, agreeing, best_brands, distinct_references
from index.numbering import Numbering
from index.pictures import CopyMatch, Lookalike, find_copies, find_lookalikes
from index.snapshot import FORMAT_VERSION, Snapshot, write_snapshot
from index.vectors import PADDING_ID, Hits, check_vectors, joined
from vision.hashing import MATCH_DISTANCE

DEFAULT_BACKEND = "faiss"
_VERSION_DIGITS = 8
_DIGEST_BITS = 64
# `best_per_brand` asks for this many hits a region. In a flat search of 100,000 vectors that takes 3% longer than 10.
_DEPTH = 1_024
# The last layer is laid out anew with each change, at about 5 us a reference; once it holds this many the next begins.
_LAYER_SIZE = 1_000


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceCatalogue:
    """All active references as one model sees them. Immutable; any number of threads may ask at once.

    `store_version` is that of the store's state it is of, `store_mark` says of which store, `base_version` is that of
    its base. `brand_version` differs when a brand changed. `recent` is what the last of the `layers` holds, if that is
    not the base, which is of `snapshot`.
    """

    layers: tuple[Layer, ...]
    brands: BrandTable
    fingerprint: str
    store_version: int
    base_version: int
    backend: str
    store_mark: str = ""
    recent: Additions = field(default_factory=Additions)
    brand_version: int = 0
    snapshot: Snapshot | None = None
    # Ids of references and removed listings of which embeddings were left out as the store was read (`index.usable`).
    left_out: frozenset[str] = frozenset()

    @classmethod
    def build(cls, source: ReferenceSource, fingerprint: str, backend: str = DEFAULT_BACKEND) -> Self:
        """Read the catalogue from the store. What is written to the store meanwhile may or may not be in it."""
        # The version comes first: content newer than it says makes the next renewal read it again, never once too few.
        store_version = source.version()
        store_mark = source.mark_of(store_version)
        laid = gather(source, fingerprint)
        built = cls.of(
            laid.columns, fingerprint=fingerprint, store_version=store_version, store_mark=store_mark, backend=backend
        )
        return replace(built, left_out=laid.left_out)

    @classmethod
    def from_snapshot(
        cls, snapshot: Snapshot, backend: str = DEFAULT_BACKEND, *, trained: Indexes | None = None
    ) -> Self:
        """Make the catalogue of a verified snapshot, equal to the one that was written; `trained` as for `Tables`."""
        manifest = snapshot.manifest
        return cls.of(
            snapshot.columns,
            fingerprint=manifest.fingerprint,
            store_version=manifest.store_version,
            store_mark=manifest.store_mark,
            backend=backend,
            trained=trained,
            snapshot=snapshot,
        )

    @classmethod
    def of(
        cls,
        columns: CatalogueColumns,
        *,
        fingerprint: str,
        store_version: int,
        store_mark: str,
        backend: str,
        trained: Indexes | None = None,
        snapshot: Snapshot | None = None,
    ) -> Self:
        """Make a catalogue of columns; see `from_snapshot`."""
        brands = BrandTable.of(columns)
        base = Layer.whole(Tables.of(columns, brands, backend, trained=trained))
        return cls(
            layers=(base,),
            brands=brands,
            fingerprint=fingerprint,
            store_version=store_version,
            store_mark=store_mark,
            base_version=store_version,
            backend=backend,
            snapshot=snapshot,
        )._prepared()

    def renewed(self, source: ReferenceSource) -> Self | None:
        """Give the catalogue of the store's present state for the same model; None when this one is of that state.

        Only what the change log names is read. Where that is not the one which was read before, as after a backup was
        put back, the catalogue is built anew.
        """
        store_version = source.version()
        changed = None
        if self.is_of(source):
            if store_version == self.store_version:
                return None
            changed = read_changes(
                source,
                after=self.store_version,
                until=store_version,
                fingerprint=self.fingerprint,
                brands=self.brands.rows.keys(),
            )
        if changed is None:
            built = self.build(source, self.fingerprint, self.backend)
            return replace(built, brand_version=built.store_version)  # which brands changed, nobody knows
        return self._with(changed, source.mark_of(changed.version))

    def is_of(self, source: ReferenceSource) -> bool:
        """Whether the source's present state came after the one that this catalogue is of."""
        return source.mark_of(self.store_version) == self.store_mark

    def up_to_date(self, source: ReferenceSource) -> Self:
        """Give the catalogue of the store's present state, this one when it is of it."""
        renewed = self.renewed(source)
        return self if renewed is None else renewed

    def following(self, in_use: ReferenceCatalogue) -> Self:
        """Take the place of the catalogue in use: brands count as changed only when they do after that one's state.

        That one must have reached this one's base: what brands changed until then is not known here.
        """
        if in_use.store_version < self.base_version:
            raise ValueError(f"a base of version {self.base_version} cannot follow version {in_use.store_version}")
        return replace(self, brand_version=max(self.brand_version, in_use.brand_version))

    def _with(self, changed: Changed, store_mark: str) -> Self:
        begins = len(self.recent) == 0 or len(self.recent) >= _LAYER_SIZE
        recent = (Additions() if begins else self.recent).replaced(changed)
        below = self.layers if begins else self.layers[:-1]
        brands = self.brands.renamed(changed.names)
        layers = tuple(layer.without(changed.references, changed.photos) for layer in below)
        left_out = self.left_out.difference(changed.references, changed.photos)
        if len(recent):
            laid = self._laid_out(recent, brands, dim=_dim(below))
            layers += (Layer.whole(Tables.of(laid.columns, brands, self.backend)),)
            left_out |= laid.left_out
        new = replace(
            self,
            layers=layers,
            brands=brands,
            recent=recent,
            store_version=changed.version,
            store_mark=store_mark,
            brand_version=max(self.brand_version, changed.brand_version),
            left_out=left_out,
        )
        return new._prepared()

    def _laid_out(self, recent: Additions, brands: BrandTable, *, dim: int) -> LaidOut:
        """Lay out what came since; `dim` is the length of the vectors below it, 0 without any."""
        named = {one.brand_id: brands.names[brands.rows[one.brand_id]] for one, _ in recent.references.values()}
        photos = [image for images in recent.photos.values() for image in images]
        return lay_out(recent.references.values(), photos, named, self.fingerprint, dim=dim)

    def _prepared(self) -> Self:
        """Work out now what the first listing would wait for."""
        for _ in (self.version, self.brand_count, self._agreeing, self._numbering, self._longest_list):
            pass
        return self

    @cached_property
    def version(self) -> str:
        """The store's version and a short digest of the content, such as "42-1f9a03cc"; it orders by the number.

        Two catalogues have one version exactly when they hold the same, however they came to hold it.
        """
        if self.snapshot and self.snapshot.manifest.format_version < FORMAT_VERSION:
            return self.snapshot.manifest.index_version  # which has no digests to add up
        digest = (self.brands.digest + sum(layer.digest for layer in self.layers)) % (1 << _DIGEST_BITS)
        return f"{self.store_version}-{digest >> (_DIGEST_BITS - 4 * _VERSION_DIGITS):0{_VERSION_DIGITS}x}"

    def to_snapshot(self, root: Path) -> Path:
        """Write the catalogue, which must be one that was built or read, below `root` and make it current there."""
        if len(self.layers) > 1:
            raise ValueError(f"a catalogue of {len(self.layers)} layers is not what a snapshot holds: build one")
        return write_snapshot(
            root,
            self.layers[0].columns,
            fingerprint=self.fingerprint,
            store_version=self.store_version,
            store_mark=self.store_mark,
            index_version=self.version,
        )

    def __len__(self) -> int:
        """Count the references."""
        return sum(map(len, self.layers))

    @cached_property
    def brand_count(self) -> int:
        """Count the brands that have at least one searchable reference."""
        return int(np.count_nonzero(self._group_sizes.reshape(-1, 2).any(axis=1)))

    @property
    def dim(self) -> int:
        """Length of a vector; 0 while the catalogue holds none."""
        return _dim(self.layers)

    @cached_property
    def _group_sizes(self) -> NDArray[np.int64]:
        sizes = np.zeros(2 * len(self.brands.ids), dtype=np.int64)
        for layer in self.layers:
            sizes[: len(layer.group_sizes)] += layer.group_sizes
        return sizes

    @cached_property
    def _agreeing(self) -> NDArray[np.int64]:
        return agreeing(self._group_sizes)

    @cached_property
    def _numbering(self) -> Numbering:
        return Numbering(self.layers)

    def search(self, vectors: NDArray[np.float32], k: int, *, photos: int = 0) -> tuple[tuple[ReferenceHit, ...], ...]:
        """Find up to k references for each region, float32 [r, dim] with unit rows; best first, each once.

        The first `photos` rows are whole photos, which are compared with photos of products, the others with marks.
        """
        most_views = max(layer.tables.most_views for layer in self.layers)
        # So many hits hold at least k different references.
        return tuple(distinct_references(self._table(self._hits(vectors, k * most_views, photos)), k))

    def best_per_brand(self, vectors: NDArray[np.float32], most: int, *, photos: int = 0) -> tuple[BrandMatch, ...]:
        """Find the brands that any region looks like, each with its best pair of region and reference, best first.

        vectors: float32 [r, dim] with unit rows, the first `photos` of whole photos, as for `search`. At most `most`
        brands. The answer is that of comparing everything, unless some region has 1,024 vectors more similar than one
        that counts; that one is then taken to be as similar as the last of them. Where a base has a trained index
        (`index.large_index`), what that finds stands for everything.
        """
        depth = min(_DEPTH, self._longest_list)
        if min(most, depth) < 1:
            return ()
        hits = self._hits(vectors, depth, photos)
        last = np.where(hits.ids[:, -1] == PADDING_ID, -1.0, hits.scores[:, -1])
        return best_brands(self._table(hits), self._agreeing, most, unlisted=float(last.max(initial=-1.0)))

    def match_of(self, brand_id: str, vectors: NDArray[np.float32], *, photos: int = 0) -> BrandMatch | None:
        """Compare all regions with one brand's references, as `best_per_brand` would had it proposed that brand.

        None for a brand that has no reference to compare with.
        """
        row = self.brands.rows.get(brand_id)
        if row is None or not len(vectors):
            return None
        parts = [layer.hits_of_brand(row, vectors, photos=photos) for layer in self.layers]
        numbered = [self._numbering.of(number, part) for number, part in enumerate(parts)]
        hits = joined(numbered, sum(part.ids.shape[1] for part in parts))
        return next(iter(best_brands(self._table(hits), self._agreeing, 1, unlisted=-1.0)), None)

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
        return find_copies(
            self.layers, self.brands, bits, mirrored_bits, sha256s, usable=usable, max_distance=max_distance
        )

    def lookalikes(self, vectors: NDArray[np.float32], *, most: int) -> tuple[Lookalike, ...]:
        """Find the pictures on record that n whole photos may be made from: see `LookalikeTable.find`."""
        return find_lookalikes(self.layers, self.brands, vectors, most=most)

    @cached_property
    def _longest_list(self) -> int:
        """How many vectors there are of the kind that has more of them."""
        return max(sum(layer.searched[mark] for layer in self.layers) for mark in (False, True))

    def _hits(self, vectors: NDArray[np.float32], k: int, photos: int) -> Hits:
        """Find the k best vectors, by number, for each region."""
        filled = [number for number, layer in enumerate(self.layers) if len(layer.columns.vectors)]
        if not filled:  # no reference, so no telling what dim would be right
            return Hits(np.empty((len(vectors), 0), dtype=np.int64), np.empty((len(vectors), 0), dtype=np.float32))
        check_vectors(vectors, self.dim)
        found = [self._numbering.of(each, self.layers[each].hits(vectors, k, photos=photos)) for each in filled]
        return joined(found, k)

    def _table(self, hits: Hits) -> HitTable:
        return HitTable(hits, self.layers, self._numbering, self.brands)


def _dim(layers: Sequence[Layer]) -> int:
    columns = [layer.columns for layer in layers]
    return max(int(table.shape[1]) for one in columns for table in (one.vectors, one.lookalike_vectors))
