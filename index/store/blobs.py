"""Which files does the store name? What is named is never collected from a blob store (`index.blob_upkeep`)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, select

from index.store.engine import Database, in_batches
from index.store.tables.references import references

# Every column that names a file of the blob store, in whatever state its row is: decisions name retired references.
NAMING: tuple[Column[Any], ...] = (references.c.image_sha256,)


class BlobNameStore:
    """The part of the store that knows which files are in use."""

    _database: Database

    def named_blobs(self, sha256s: Collection[str]) -> frozenset[str]:
        """Return those of the digests that something in the store names."""
        found: set[str] = set()
        with self._database.read("look up files in use") as connection:
            for batch in in_batches(sha256s):
                for column in NAMING:
                    found.update(connection.scalars(select(column).where(column.in_(batch)).distinct()))
        return frozenset(found)
