"""What does a catalogue hold, laid out for searching and for writing to disk? Parallel arrays, gathered from the store.

`gather` streams the store's references and removed images into `CatalogueColumns` once; `index.catalogue` and
`index.copies` search them, and `index.snapshot` writes and reads them field by field.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from index.decision_records import RemovedImage
from index.errors import StoreError
from index.records import Brand, Change, DuplicateSource, Reference, ReferenceEmbedding, ReferenceKind, ReferenceState
from index.vectors import rows_off_unit_norm
from vision.hashing import HASH_BYTES, as_matrix

logger = logging.getLogger(__name__)

_NO_PDQ = bytes(HASH_BYTES)


class ReferenceSource(Protocol):
    """Where a catalogue's content comes from: the store, or something that stands in for it."""

    def version(self) -> int:
        """Give the number of the state of brands, references and removed images; every change makes it larger."""

    def changes_after(self, version: int) -> Sequence[Change]:
        """Give the first changes after a version, oldest first; it need not be all of them."""

    def iter_references(self, fingerprint: str) -> Iterable[tuple[Reference, Sequence[ReferenceEmbedding]]]:
        """Stream references with their embeddings under a model; a reference that it has not seen has none."""

    def iter_removed_images(self) -> Iterable[RemovedImage]:
        """Stream the photos of removed listings."""

    def iter_brands(self) -> Iterable[Brand]:
        """Stream the brands; every brand that a reference names is among them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CatalogueColumns:
    """The content of a catalogue: n vectors of m references of b brands, and c pictures to recognise copies of.

    A reference has a vector for each of its views, so n may exceed m. Text is UTF-8 in fixed-width bytes.
    """

    vectors: NDArray[np.float32]  # [n, dim], unit rows; dim is 0 when n is
    vector_references: NDArray[np.int32]  # [n], row of the reference that a vector shows
    reference_ids: NDArray[np.bytes_]  # [m]
    reference_kinds: NDArray[np.bytes_]  # [m], values of ReferenceKind
    reference_brands: NDArray[np.int32]  # [m], row of the brand that a reference shows
    reference_marks: NDArray[np.bool_]  # [m], whether it is a mark: not compared with what is a photo of a product
    brand_ids: NDArray[np.bytes_]  # [b]
    brand_names: NDArray[np.bytes_]  # [b]
    copy_pdq: NDArray[np.uint8]  # [c, 32], zero where there is none
    copy_has_pdq: NDArray[np.bool_]  # [c]
    copy_sha256: NDArray[np.uint8]  # [c, 32]
    copy_sources: NDArray[np.bytes_]  # [c], values of DuplicateSource
    copy_source_ids: NDArray[np.bytes_]  # [c], id of a reference or of a removed listing
    copy_brands: NDArray[np.bytes_]  # [c], name of the brand at stake, empty where unknown
    copy_vectors: NDArray[np.float16]  # [c, dim], unit rows of whole photos, zero where there is none; dim may be 0

    def __post_init__(self) -> None:
        """Raise ValueError when columns do not fit each other: searches would name wrong brands."""
        for table in ("vector", "reference", "brand", "copy"):
            lengths = {name: len(column) for name, column in self.named() if name.startswith(table)}
            if len(set(lengths.values())) > 1:
                raise ValueError(f"columns of one table differ in length: {lengths}")
        _check_rows("vector_references", self.vector_references, limit=len(self.reference_ids))
        _check_rows("reference_brands", self.reference_brands, limit=len(self.brand_ids))

    def named(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give each column with its name, always in the same order."""
        for column in dataclasses.fields(self):
            yield column.name, getattr(self, column.name)

    def sha256(self) -> str:
        """Digest the content: the hex digest is the same whether the columns were gathered or read from disk."""
        digest = hashlib.sha256()
        for name, column in self.named():
            digest.update(f"{name} {column.dtype.str} {column.shape}\n".encode())
            digest.update(np.ascontiguousarray(column).data if column.size else b"")
        return digest.hexdigest()


def gather(source: ReferenceSource, fingerprint: str) -> CatalogueColumns:
    """Read what the active references look like to the model `fingerprint`, and the pictures to recognise copies of.

    Brands are read last, so that a reference which a writer adds meanwhile finds its brand among them.
    """
    active = [
        (reference, list(embeddings))
        for reference, embeddings in source.iter_references(fingerprint)
        if reference.state is ReferenceState.ACTIVE
    ]
    removed = list(source.iter_removed_images())
    brands = list(source.iter_brands())
    unseen = sum(not embeddings for _, embeddings in active)
    if unseen:
        logger.warning("%d of %d active references match nothing: no embedding by %s", unseen, len(active), fingerprint)
    references = [reference for reference, _ in active]
    brand_rows = {brand.brand_id: row for row, brand in enumerate(brands)}
    names = {brand.brand_id: brand.name for brand in brands}
    embeddings = [embedding for _, of_reference in active for embedding in of_reference]
    copies = [*_copies_of(active, names), *(_copy_of(image, fingerprint) for image in removed)]
    return CatalogueColumns(
        vectors=_stack(embeddings, fingerprint),
        vector_references=np.repeat(np.arange(len(active), dtype=np.int32), [len(views) for _, views in active]),
        reference_ids=_text(reference.reference_id for reference in references),
        reference_kinds=_text(reference.kind for reference in references),
        reference_brands=np.array([brand_rows[reference.brand_id] for reference in references], dtype=np.int32),
        reference_marks=np.array([reference.shows_mark for reference in references], dtype=np.bool_),
        brand_ids=_text(brand.brand_id for brand in brands),
        brand_names=_text(brand.name for brand in brands),
        **_copy_columns(copies),
    )


def with_removed_images(
    columns: CatalogueColumns, images: Iterable[RemovedImage], fingerprint: str
) -> CatalogueColumns:
    """Exchange the photos of removed listings, and share everything else: removals are the change that comes often."""
    kept = columns.copy_sources != DuplicateSource.REMOVED_LISTING.encode()
    fresh = _copy_columns([_copy_of(image, fingerprint) for image in images])
    joined = {name: _joined(getattr(columns, name)[kept], column) for name, column in fresh.items()}
    return dataclasses.replace(columns, **joined)


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


def _copies_of(
    references: Iterable[tuple[Reference, Sequence[ReferenceEmbedding]]], names: dict[str, str]
) -> Iterator[_Copy]:
    for reference, embeddings in references:
        known_fake = reference.kind is ReferenceKind.COUNTERFEIT
        yield _Copy(
            sha256=reference.image_sha256,
            pdq=reference.pdq,
            source=DuplicateSource.KNOWN_COUNTERFEIT if known_fake else DuplicateSource.OFFICIAL_REFERENCE,
            source_id=reference.reference_id,
            brand=names[reference.brand_id],
            vector=embeddings[0].vector if embeddings and not reference.shows_mark else None,
        )


def _copy_of(image: RemovedImage, fingerprint: str) -> _Copy:
    comparable = image.embedding is not None and image.fingerprint == fingerprint
    return _Copy(
        sha256=image.sha256,
        pdq=image.pdq,
        source=DuplicateSource.REMOVED_LISTING,
        source_id=image.listing_id,
        brand=image.brand,
        vector=np.frombuffer(image.embedding or b"", "<f2") if comparable else None,
    )


def _copy_columns(copies: Sequence[_Copy]) -> dict[str, NDArray[Any]]:
    """Lay pictures out as the copy columns of `CatalogueColumns`."""
    return {
        "copy_pdq": as_matrix([copy.pdq or _NO_PDQ for copy in copies]),
        "copy_has_pdq": np.array([copy.pdq is not None for copy in copies], dtype=np.bool_),
        "copy_sha256": digests([copy.sha256 for copy in copies]),
        "copy_sources": _text(copy.source for copy in copies),
        "copy_source_ids": _text(copy.source_id for copy in copies),
        "copy_brands": _text(copy.brand for copy in copies),
        "copy_vectors": _stack_copies(copies),
    }


def _stack_copies(copies: Sequence[_Copy]) -> NDArray[np.float16]:
    """Stack what copies look like into float16 [c, dim], zero where that is not known; dim is 0 when all are."""
    embedded = [copy.vector for copy in copies if copy.vector is not None]
    rows = np.zeros((len(copies), len(embedded[0]) if embedded else 0), np.float16)
    for row, copy in enumerate(copies):
        if copy.vector is None:
            continue
        if copy.vector.shape != rows.shape[1:]:
            raise StoreError(
                f"The embedding of {copy.source_id!r} (photo {copy.sha256}) has {copy.vector.size} values and others "
                f"{rows.shape[1]}: put back a backup of the store."
            )
        rows[row] = copy.vector
    return rows


def _joined(kept: NDArray[Any], fresh: NDArray[Any]) -> NDArray[Any]:
    """Put rows one after the other; of vectors that are all unknown, the length is not known either."""
    if kept.ndim == fresh.ndim == 2 and 0 in (kept.shape[1], fresh.shape[1]):
        width = max(kept.shape[1], fresh.shape[1])
        kept, fresh = (rows if rows.shape[1] else np.zeros((len(rows), width), rows.dtype) for rows in (kept, fresh))
    return np.concatenate([kept, fresh])


def _stack(embeddings: Sequence[ReferenceEmbedding], fingerprint: str) -> NDArray[np.float32]:
    """Stack the embeddings' vectors into float32 [n, dim], and name the one that is not what a model makes."""
    if not embeddings:
        return np.empty((0, 0), dtype=np.float32)
    shape = embeddings[0].vector.shape
    for embedding in embeddings:
        if embedding.vector.shape != shape:
            raise _unusable(embedding, fingerprint, f"has {embedding.vector.shape} values and others {shape}")
    vectors = np.stack([embedding.vector for embedding in embeddings]).astype(np.float32, copy=False)
    faulty = rows_off_unit_norm(vectors)
    if len(faulty):
        raise _unusable(embeddings[faulty[0]], fingerprint, f"has norm {np.linalg.norm(vectors[faulty[0]]):.6g}, not 1")
    return vectors


def _unusable(embedding: ReferenceEmbedding, fingerprint: str, fault: str) -> StoreError:
    return StoreError(
        f"Embedding {embedding.variant} of reference {embedding.reference_id} under {fingerprint} {fault}: "
        "embed the references again with `touchstone index build`."
    )


def _text(words: Iterable[str]) -> NDArray[np.bytes_]:
    return np.array([word.encode() for word in words], dtype=np.bytes_)


def _check_rows(name: str, rows: NDArray[np.int32], *, limit: int) -> None:
    if len(rows) and not (rows.min() >= 0 and rows.max() < limit):
        raise ValueError(f"column {name} points at rows {rows.min()} to {rows.max()} of a table of {limit}")
