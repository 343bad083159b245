"""A registry in memory that a catalogue can be built from: for tests, demonstrations and load generation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from index.decision_records import RemovedImage
from index.records import Brand, Change, ChangeKind, Reference, ReferenceEmbedding


class FakeSource:
    """Stands in for the store as `index.columns.ReferenceSource`; every change makes `version` larger by one.

    While `failure` is set, reading raises it, as a store does whose database has gone away.
    """

    def __init__(self, *, origin: str = "") -> None:
        """`origin` tells histories apart; sources with the same one pass for one store."""
        self._origin = origin
        self.failure: Exception | None = None
        self._changes: list[Change] = []
        self._brands: dict[str, Brand] = {}
        self._references: dict[str, tuple[Reference, tuple[ReferenceEmbedding, ...]]] = {}
        self._removed: list[RemovedImage] = []

    def put_brand(self, brand: Brand) -> None:
        """Add a brand, or replace the one with its id."""
        self._brands[brand.brand_id] = brand
        self._note(ChangeKind.BRAND, brand.brand_id)

    def put_reference(self, reference: Reference, embeddings: Sequence[ReferenceEmbedding]) -> None:
        """Add a reference with its embeddings, or replace the one with its id."""
        self._references[reference.reference_id] = (reference, tuple(embeddings))
        self._note(ChangeKind.REFERENCE, reference.reference_id)

    def add_removed_image(self, image: RemovedImage) -> None:
        """Add a photo of a removed listing."""
        self._removed.append(image)
        self._note(ChangeKind.REMOVED_LISTING, image.listing_id)

    def forget_listing(self, listing_id: str) -> None:
        """Forget the photos of a listing, as when it turns out to be no counterfeit."""
        self._removed = [image for image in self._removed if image.listing_id != listing_id]
        self._note(ChangeKind.REMOVED_LISTING, listing_id)

    def version(self) -> int:
        """Count the changes so far."""
        self._fail_if_told()
        return len(self._changes)

    def mark_of(self, version: int) -> str:
        """Name the origin and the version, "" for one that was not reached."""
        self._fail_if_told()
        return f"{self._origin}{version}" if 0 < version <= len(self._changes) else ""

    def changes_after(self, version: int) -> tuple[Change, ...]:
        """Give all changes after a version."""
        self._fail_if_told()
        return tuple(self._changes[version:])

    def iter_references(self, fingerprint: str) -> Iterator[tuple[Reference, tuple[ReferenceEmbedding, ...]]]:
        """Stream references in the order of their ids, with their embeddings under a model."""
        self._fail_if_told()
        for _, (reference, embeddings) in sorted(self._references.items()):
            yield reference, tuple(item for item in embeddings if item.fingerprint == fingerprint)

    def iter_removed_images(self) -> Iterator[RemovedImage]:
        """Stream the photos of removed listings."""
        self._fail_if_told()
        yield from self._removed

    def iter_brands(self) -> Iterator[Brand]:
        """Stream the brands in the order of their ids."""
        self._fail_if_told()
        yield from (brand for _, brand in sorted(self._brands.items()))

    def references_by_id(
        self, reference_ids: Collection[str], fingerprint: str
    ) -> Iterator[tuple[Reference, tuple[ReferenceEmbedding, ...]]]:
        """Give those of the references that there are, with their embeddings under a model."""
        self._fail_if_told()
        for name in sorted(self._references.keys() & set(reference_ids)):
            reference, embeddings = self._references[name]
            yield reference, tuple(item for item in embeddings if item.fingerprint == fingerprint)

    def removed_images_of(self, listing_ids: Collection[str]) -> Iterator[RemovedImage]:
        """Give the photos of those of the listings that were removed."""
        self._fail_if_told()
        yield from (image for image in self._removed if image.listing_id in listing_ids)

    def brand_names_of(self, brand_ids: Collection[str]) -> dict[str, str]:
        """Give the names of those of the brands that there are."""
        self._fail_if_told()
        return {name: self._brands[name].name for name in brand_ids if name in self._brands}

    def _note(self, kind: ChangeKind, subject_id: str) -> None:
        self._changes.append(Change(version=len(self._changes) + 1, kind=kind, subject_id=subject_id))

    def _fail_if_told(self) -> None:
        if self.failure is not None:
            raise self.failure
