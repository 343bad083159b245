"""Every database behind the store knows which files of the blob store are in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from index.records import Reference, ReferenceKind, ReferenceState
from index.store import tables
from index.store.blobs import NAMING
from index.store.store import Store
from tests.contract.test_store import ACME

# Columns of digests that name no file of the blob store: photos of listings, which are not kept, and requests.
NO_FILES = {
    "listing_images.sha256",
    "removed_images.sha256",
}


class BlobNameContract:
    """What every database must do; a subclass says where it is by overriding the fixture `location`."""

    def test_files_of_references_in_any_state_are_in_use(self, location: str) -> None:
        """Of some digests those are in use that a reference names, retired or rejected ones included."""
        used = {state: f"{place:064x}" for place, state in enumerate(ReferenceState)}
        with Store.open(location) as store:
            store.put_brands([ACME])
            store.add_references(
                (
                    Reference(
                        reference_id=str(state), brand_id="acme", kind=ReferenceKind.LOGO, image_sha256=sha, state=state
                    ),
                    [],
                )
                for state, sha in used.items()
            )

            named = store.named_blobs([*used.values(), "f" * 64])

            assert named == set(used.values())
            assert store.named_blobs([]) == frozenset()


class TestSQLite(BlobNameContract):
    """SQLite, the embedded default."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> str:
        """Name a file that is not there yet."""
        return str(tmp_path / "store.db")


class TestPostgreSQL(BlobNameContract):
    """PostgreSQL."""

    @pytest.fixture
    def location(self, postgres_url: str) -> str:
        """Name an empty database."""
        return postgres_url


def test_every_column_of_file_digests_is_known() -> None:
    """Whoever adds a column that names a file adds it to `NAMING`, or its files would be collected."""
    columns = {
        f"{table.name}.{column.name}"
        for table in tables.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("sha256") and not column.name.startswith("request_")
    }

    assert columns - NO_FILES == {str(column) for column in NAMING}
