"""What does a catalogue hold, laid out for searching and for writing to disk? Parallel arrays, gathered from the store.

`gather` streams the store's references and removed images into `CatalogueColumns` once, and `lay_out` does the same
with the few that changed since; `index.layer` searches them, `index.snapshot` writes and reads them field by field.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index.decision_records import RemovedImage
from index.records import Brand, Change, DuplicateSource, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from index.usable import Embedded, comparable, usable
from vision.hashing import HASH_BYTES, as_matrix

logger = logging.getLogger(__name__)

_NO_PDQ = bytes(HASH_BYTES)


class ReferenceSource(Protocol):
    """Where a catalogue's content comes from: the store, or something that stands in for it."""

    def version(self) -> int:
        """Give the number of the state of brands, references and removed images; every change makes it larger."""

    def mark_of(self, version: int) -> str:
        """Give what tells this source's state `version` from any other source's; "" for a version not reached."""

    def changes_after(self, version: int) -> Sequence[Change]:
        """Give the first changes after a version, oldest first; it need not be all of them."""

    def iter_references(self, fingerprint: str) -> Iterable[tuple[Reference, Sequence[ReferenceEmbedding]]]:
        """Stream references with their embeddings under a model; a reference that it has not seen has none."""

    def iter_removed_images(self) -> Iterable[RemovedImage]:
        """Stream the photos of removed listings."""

    def iter_brands(self) -> Iterable[Brand]:
        """Stream the brands; every brand that a reference names is among them."""

    def references_by_id(
        self, reference_ids: Collection[str], fingerprint: str
    ) -> Iterable[tuple[Reference, Sequence[ReferenceEmbedding]]]:
        """Give those of the references that there are, in whatever state, as `iter_references` does."""

    def removed_images_of(self, listing_ids: Collection[str]) -> Iterable[RemovedImage]:
        """Give the photos of those of the listings that were removed."""

    def brand_names_of(self, brand_ids: Collection[str]) -> Mapping[str, str]:
        """Give the names of those of the brands that there are, by id."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CatalogueColumns:
    """The content of a catalogue: n vectors of m references of b brands, and c pictures to recognise copies of.

    A reference has a vector for each of its views, so n may exceed m. Text is UTF-8 in fixed-width bytes. References
    stand in the order of their ids; of the pictures the first m are theirs, and those of removed listings follow in the
    order of listing and file. Of the pictures, e are whole photos that a model has embedded.
    """

    vectors: NDArray[np.float32]  # [n, dim], unit rows; dim is 0 when n is
    vector_references: NDArray[np.int32]  # [n], row of the reference that a vector shows
    reference_ids: NDArray[np.bytes_]  # [m]
    reference_kinds: NDArray[np.bytes_]  # [m], values of ReferenceKind
    reference_brands: NDArray[np.int32]  # [m], row of the brand that a reference shows
    reference_marks: NDArray[np.bool_]  # [m], whether it is a mark: not compared with what is a photo of a product
    reference_digests: NDArray[np.uint64]  # [m], of all that is known of it: see `reference_digest`
    brand_ids: NDArray[np.bytes_]  # [b]
    brand_names: NDArray[np.bytes_]  # [b]
    copy_pdq: NDArray[np.uint8]  # [c, 32], zero where there is none
    copy_has_pdq: NDArray[np.bool_]  # [c]
    copy_sha256: NDArray[np.uint8]  # [c, 32]
    copy_sources: NDArray[np.bytes_]  # [c], values of DuplicateSource
    copy_source_ids: NDArray[np.bytes_]  # [c], id of a reference or of a removed listing
    copy_brands: NDArray[np.bytes_]  # [c], name of the brand at stake, empty where unknown
    copy_digests: NDArray[np.uint64]  # [c], of a removed listing's photo; 0 for a reference, which has its own
    lookalike_vectors: NDArray[np.float16]  # [e, dim], unit rows of whole photos; dim is 0 when e is
    lookalike_copies: NDArray[np.int32]  # [e], row of the picture that a vector shows

    def __post_init__(self) -> None:
        """Raise ValueError when columns do not fit each other: searches would name wrong brands."""
        for table in ("vector", "reference", "brand", "copy", "lookalike"):
            lengths = {name: len(column) for name, column in self.named() if name.startswith(table)}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"columns of one table differ in length: {lengths}")
        _check_rows("vector_references", self.vector_references, limit=len(self.reference_ids))
        _check_rows("reference_brands", self.reference_brands, limit=len(self.brand_ids))
        _check_rows("lookalike_copies", self.lookalike_copies, limit=len(self.copy_sha256))
        if len(self.copy_sha256) < len(self.reference_ids):
            raise ValueError(f"{len(self.reference_ids)} references have {len(self.copy_sha256)} pictures")

    def named(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give each column with its name, always in the same order."""
        for column in dataclasses.fields(self):
            yield column.name, getattr(self, column.name)


@dataclass(frozen=True, eq=False)
class LaidOut:
    """Columns, and the ids of the references and removed listings of which the store has what cannot be searched."""

    columns: CatalogueColumns
    left_out: frozenset[str]


def gather(source: ReferenceSource, fingerprint: str) -> LaidOut:
    """Read what the active references look like to the model `fingerprint`, and the pictures to recognise copies of.

    Brands are read last, so that a reference which a writer adds meanwhile finds its brand among them.
    """
    active = [(reference, list(embeddings)) for reference, embeddings in source.iter_references(fingerprint)]
    removed = list(source.iter_removed_images())
    names = {brand.brand_id: brand.name for brand in source.iter_brands()}
    return lay_out(active, removed, names, fingerprint)


def lay_out(
    references: Iterable[Embedded],
    removed: Iterable[RemovedImage],
    names: Mapping[str, str],
    fingerprint: str,
    *,
    dim: int = 0,
) -> LaidOut:
    """Lay out the active ones of the references, and the removed photos. `names` has their brands' names by id.

    Vectors have `dim` values, or, when that is 0, as many as most of them; others are left out: see `index.usable`.
    """
    active = [one for one in references if one[0].state is ReferenceState.ACTIVE]
    active.sort(key=lambda one: one[0].reference_id.encode())
    unseen = sum(not embeddings for _, embeddings in active)
    if unseen:
        logger.warning("%d of %d active references match nothing: no embedding by %s", unseen, len(active), fingerprint)
    photos = sorted(removed, key=lambda image: (image.listing_id.encode(), image.sha256))
    searched = usable(active, photos, fingerprint, dim=dim)
    return LaidOut(_columns(searched.references, searched.photos, names, fingerprint), searched.left_out)


def _columns(
    active: Sequence[Embedded], photos: Sequence[RemovedImage], names: Mapping[str, str], fingerprint: str
) -> CatalogueColumns:
    brand_rows = {brand_id: row for row, brand_id in enumerate(names)}
    copies = [*_copies_of(active, names), *(_copy_of(image, fingerprint) for image in photos)]
    return CatalogueColumns(
        vectors=_stack([view.vector for _, views in active for view in views]).astype(np.float32, copy=False),
        vector_references=np.repeat(np.arange(len(active), dtype=np.int32), [len(views) for _, views in active]),
        reference_ids=text(reference.reference_id for reference, _ in active),
        reference_kinds=text(reference.kind for reference, _ in active),
        reference_brands=np.array([brand_rows[reference.brand_id] for reference, _ in active], dtype=np.int32),
        reference_marks=np.array([reference.shows_mark for reference, _ in active], dtype=np.bool_),
        reference_digests=np.array([reference_digest(*one) for one in active], dtype=np.uint64),
        brand_ids=text(names),
        brand_names=text(names.values()),
        **_copy_columns(copies),
    )


def reference_digest(reference: Reference, embeddings: Sequence[ReferenceEmbedding]) -> int:
    """Digest all of a reference that a search can tell, 64 bits.

    Digests of parts are added up to that of a whole catalogue: the same sum however it was put together.
    """
    facts = (
        reference.reference_id,
        reference.brand_id,
        str(reference.kind),
        reference.shows_mark,
        reference.image_sha256,
        reference.pdq,
    )
    return _digest(facts, *(embedding.vector.tobytes() for embedding in embeddings))


def brand_digest(brand_id: str, name: str) -> int:
    """Digest a brand as searches name it, 64 bits."""
    return _digest(("brand", brand_id, name))


def _digest(facts: tuple[object, ...], *parts: bytes) -> int:
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=8)
    for part in parts:
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")


def digests(sha256s: Sequence[str]) -> NDArray[np.uint8]:
    """Turn n hex digests into uint8 [n, 32]."""
    return np.frombuffer(b"".join(bytes.fromhex(sha256) for sha256 in sha256s), dtype=np.uint8).reshape(-1, 32)


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """A picture to recognise copies of: one row of the copy table."""

    sha256: str
    pdq: bytes | None
    source: DuplicateSource
    source_id: str
    brand: str
    vector: NDArray[np.floating] | None  # of a whole photo
    digest: int = 0


def _copies_of(references: Iterable[Embedded], names: Mapping[str, str]) -> Iterator[_Copy]:
    for reference, embeddings in references:
        known_fake = reference.kind is ReferenceKind.COUNTERFEIT
        yield _Copy(
            sha256=reference.image_sha256,
            pdq=reference.pdq,
            source=DuplicateSource.KNOWN_COUNTERFEIT if known_fake else DuplicateSource.OFFICIAL_REFERENCE,
            source_id=reference.reference_id,
            brand=names[reference.brand_id],
            vector=None if reference.shows_mark else next((one.vector for one in embeddings if one.variant == 0), None),
        )


def _copy_of(image: RemovedImage, fingerprint: str) -> _Copy:
    vector = comparable(image, fingerprint)
    return _Copy(
        sha256=image.sha256,
        pdq=image.pdq,
        source=DuplicateSource.REMOVED_LISTING,
        source_id=image.listing_id,
        brand=image.brand,
        vector=vector,
        digest=_digest(
            (image.listing_id, image.sha256, image.pdq, image.brand), b"" if vector is None else vector.tobytes()
        ),
    )


def _copy_columns(copies: Sequence[_Copy]) -> dict[str, NDArray[Any]]:
    """Lay pictures out as the copy columns of `CatalogueColumns`."""
    return {
        "copy_pdq": as_matrix([copy.pdq or _NO_PDQ for copy in copies]),
        "copy_has_pdq": np.array([copy.pdq is not None for copy in copies], dtype=np.bool_),
        "copy_sha256": digests([copy.sha256 for copy in copies]),
        "copy_sources": text(copy.source for copy in copies),
        "copy_source_ids": text(copy.source_id for copy in copies),
        "copy_brands": text(copy.brand for copy in copies),
        "copy_digests": np.array([copy.digest for copy in copies], dtype=np.uint64),
        "lookalike_vectors": _stack([copy.vector for copy in copies if copy.vector is not None]).astype(np.float16),
        "lookalike_copies": np.array([row for row, copy in enumerate(copies) if copy.vector is not None], np.int32),
    }


def _stack(vectors: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack vectors of one length into [n, dim]; dim is 0 when n is."""
    return np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)


def text(words: Iterable[str]) -> NDArray[np.bytes_]:
    """Put words into fixed-width UTF-8, [n]."""
    return np.array([word.encode() for word in words], dtype=np.bytes_)


def _check_rows(name: str, rows: NDArray[np.int32], *, limit: int) -> None:
    if len(rows) and not (rows.min() >= 0 and rows.max() < limit):
        raise ValueError(f"column {name} points at rows {rows.min()} to {rows.max()} of a table of {limit}")
