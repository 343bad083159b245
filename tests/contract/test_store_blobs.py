"""Every database behind the store knows which files of the blob store are in use."""

from __future__ import annotations

from dataclasses import replace

import pytest

from index.brand_records import BrandProfile, Right, RightType
from index.records import ReferenceState
from index.store import tables
from index.store.blobs import NAMING
from index.store.store import Store
from tests.contract.test_store import ACME, NOON, a_reference
from tests.contract.test_store_photos import a_photo
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

# Columns of digests that name no file of the blob store: photos of listings, which are not kept, and requests.
NO_FILES = {
    "listing_images.sha256",
    "removed_images.sha256",
}


class BlobNameContract(StoreSuite):
    """What every database must do."""

    def test_files_of_references_in_any_state_are_in_use(self, store: Store) -> None:
        """Of some digests those are in use that a reference names, retired or rejected ones included."""
        used = {state: f"{place:064x}" for place, state in enumerate(ReferenceState)}
        store.put_brands([ACME])
        store.add_references(
            (replace(a_reference(state, state=state), image_sha256=sha), []) for state, sha in used.items()
        )

        named = store.named_blobs([*used.values(), "f" * 64])

        assert named == set(used.values())
        assert store.named_blobs([]) == frozenset()

    def test_files_of_a_right_are_in_use(self, store: Store) -> None:
        """The picture of a mark in its right, and the power of attorney, are kept as long as the right names them."""
        right = Right(
            right_id="r1",
            type=RightType.WORD_MARK,
            mark_image_sha256="a" * 64,
            power_of_attorney_sha256="b" * 64,
        )
        store.create_brand(BrandProfile(brand=ACME, rights=(right,)), actor="ann", now=NOON)

        assert store.named_blobs(["a" * 64, "b" * 64, "c" * 64]) == {"a" * 64, "b" * 64}

    def test_right_does_not_hold_on_to_a_listing_s_photo(self, store: Store) -> None:
        """An owner who types a photo's digest into a right does not keep it from being forgotten."""
        photo = a_photo("d")
        right = Right(right_id="r1", type=RightType.WORD_MARK, mark_image_sha256=photo.sha256)
        store.add_photos([photo])
        store.create_brand(BrandProfile(brand=ACME, rights=(right,)), actor="ann", now=NOON)

        kept = store.named_blobs([photo.sha256])
        store.forget_photos(seller_id=photo.seller_id, now=NOON)

        assert kept == {photo.sha256}
        assert store.named_blobs([photo.sha256]) == frozenset()
        assert list(store.all_named_blobs()) == []

    def test_file_of_every_reference_is_named(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """References in any state are listed once each with their file, however many pages they fill."""
        monkeypatch.setattr("index.store.blobs._PAGE", 2)
        store.put_brands([ACME])
        store.add_references((a_reference(state, state=state), []) for state in ReferenceState)

        files = list(store.reference_files())

        assert files == [(state, "ab" * 32) for state in sorted(ReferenceState)]


class TestSQLite(OnSqlite, BlobNameContract):
    """SQLite, the embedded default."""


class TestPostgreSQL(OnPostgres, BlobNameContract):
    """PostgreSQL."""


def test_every_column_of_file_digests_is_known() -> None:
    """Whoever adds a column that names a file adds it to `NAMING`, or its files would be collected."""
    columns = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("sha256") and not column.name.startswith("request_")
    }

    assert columns - NO_FILES == {str(column) for column in NAMING}
