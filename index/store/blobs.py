"""Which files does the store name? What is named is never collected from a blob store (`index.blob_upkeep`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Column, ColumnElement, select, true, union

from index.photos import PhotoState
from index.store.engine import Database, in_batches
from index.store.tables.evidence import evidence_packages
from index.store.tables.photos import kept_photos
from index.store.tables.references import references
from index.store.tables.registry import brand_rights

# A right names digests that a brand's owner typed: one of a listing's photo would keep that from being forgotten.
_OF_PHOTOS = select(kept_photos.c.sha256)
# Every column that names a file of the blob store, and in which rows: a reference in whatever state, for decisions name
# retired ones; a photo as long as it is kept.
NAMING: dict[Column[Any], ColumnElement[bool]] = {
    references.c.image_sha256: true(),
    brand_rights.c.mark_image_sha256: brand_rights.c.mark_image_sha256.not_in(_OF_PHOTOS),
    brand_rights.c.power_of_attorney_sha256: brand_rights.c.power_of_attorney_sha256.not_in(_OF_PHOTOS),
    evidence_packages.c.file_sha256: true(),
    kept_photos.c.sha256: kept_photos.c.state == str(PhotoState.KEPT),
}

_PAGE = 10_000


class BlobNameStore:
    """The part of the store that knows which files are in use."""

    _database: Database

    def named_blobs(self, sha256s: Collection[str]) -> frozenset[str]:
        """Return those of the digests that something in the store names."""
        found: set[str] = set()
        with self._database.read("look up files in use") as connection:
            for batch in in_batches(sha256s):
                for column, counts in NAMING.items():
                    found.update(connection.scalars(select(column).where(column.in_(batch), counts).distinct()))
        return frozenset(found)

    def all_named_blobs(self) -> Iterator[str]:
        """Yield each digest that something in the store names, once, in order."""
        queries = [select(column.label("sha256")).where(column != "", counts) for column, counts in NAMING.items()]
        with self._database.read("look up all files in use") as connection:
            yield from connection.scalars(union(*queries).order_by("sha256"))

    def reference_files(self) -> Iterator[tuple[str, str]]:
        """Yield the id of each reference, in whatever state, with its file's sha256, in the order of their ids."""
        names = select(references.c.reference_id, references.c.image_sha256).order_by(references.c.reference_id)
        after = ""
        while True:
            with self._database.read("look up the files of references") as connection:
                page = connection.execute(names.where(references.c.reference_id > after).limit(_PAGE)).all()
            yield from ((row.reference_id, row.image_sha256) for row in page)
            if len(page) < _PAGE:
                return
            after = page[-1].reference_id
