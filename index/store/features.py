"""By which points are pictures recognised? Keypoints of references and removed photos, read for the few proposed.

They are no part of an index: `serving.matching` and `serving.copying` ask for them by id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, select, tuple_

from index.errors import NotFound, StoreError
from index.records import ReferenceFeatures
from index.store.engine import Database, in_batches, insert_new
from index.store.tables.references import reference_features, references
from index.store.tables.removals import removed_images
from vision.keypoints import LocalFeatures

# 37 kB each: 2 MiB in a transaction.
_PAGE = 64


class FeatureStore:
    """The part of the store that keeps keypoints."""

    _database: Database

    def add_features(self, records: Iterable[ReferenceFeatures]) -> int:
        """Add keypoints of stored references; skip those that have some. Returns how many were added.

        No index is made of them, so the version stays as it is. Raises NotFound when a reference is not stored.
        """
        added = 0
        for batch in in_batches(records, _PAGE):
            rows = [{"reference_id": one.reference_id, "features": one.features.to_bytes()} for one in batch]
            ids = {one.reference_id for one in batch}
            with self._database.write("add keypoints") as connection:
                stored = connection.scalars(select(references.c.reference_id).where(references.c.reference_id.in_(ids)))
                if missing := ids - set(stored):
                    raise NotFound(f"There is no reference with the id {min(missing)!r}; add it with add_references.")
                added += insert_new(connection, reference_features, rows)
        return added

    def known_features(self, reference_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the references whose keypoints are stored."""
        column = reference_features.c.reference_id
        with self._database.read("look up keypoints") as connection:
            return frozenset(row.reference_id for row in _of(connection, select(column), list(reference_ids)))

    def features_of(self, reference_ids: Iterable[str]) -> dict[str, LocalFeatures]:
        """Return the keypoints of those references that have some, by id.

        Raises:
            StoreError: what is stored cannot be read.

        """
        with self._database.read("read keypoints") as connection:
            rows = list(_of(connection, select(reference_features), list(reference_ids)))
        return {row.reference_id: _read(row.features) for row in rows}

    def removed_features(self, photos: Iterable[tuple[str, str]]) -> dict[tuple[str, str], LocalFeatures]:
        """Return the keypoints of those photos of removed listings that have some, by listing id and sha256.

        Raises:
            StoreError: what is stored cannot be read.

        """
        key = (removed_images.c.listing_id, removed_images.c.sha256)
        query = select(*key, removed_images.c.features).where(removed_images.c.features.is_not(None))
        found = {}
        with self._database.read("read keypoints of removed photos") as connection:
            for batch in in_batches(photos, _PAGE):
                for row in connection.execute(query.where(tuple_(*key).in_(batch))):
                    found[row.listing_id, row.sha256] = _read(row.features)
        return found


def _read(data: bytes) -> LocalFeatures:
    try:
        return LocalFeatures.from_bytes(data)
    except ValueError as error:
        raise StoreError(f"Stored keypoints cannot be read ({error}); put back a backup of the store.") from error


def _of(connection: Connection, query: Select[Any], ids: Sequence[str]) -> Iterator[Row[Any]]:
    for batch in in_batches(ids):
        yield from connection.execute(query.where(reference_features.c.reference_id.in_(batch)))
