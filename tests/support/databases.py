"""On which databases does a suite of the store run? SQLite and a real PostgreSQL server, one class each.

class SomethingContract(StoreSuite): ...
class TestSqliteSomething(OnSqlite, SomethingContract): ...
class TestPostgresSomething(OnPostgres, SomethingContract): ...
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.store.store import Store
from tests.support.audited import acts_watched


def with_tables(place: Path) -> Path:
    """Put the store's tables, with nothing in them, into an SQLite file that is not there: migrating takes far longer.

    A file that is there stays as it is.
    """
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch(mode=0o600)  # as the store makes it
        place.write_bytes(_migrated())
    return place


@functools.cache
def _migrated() -> bytes:
    """Migrate a file of this process's own, once."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "store.db"
        Store.open(place).close()
        return place.read_bytes()


class StoreSuite:
    """What every database must do; a subclass of it and of a class below says which one is tested."""

    @pytest.fixture
    def store(self, location: str | Path) -> Iterator[Store]:
        """Open the store, empty at first. Each act in it must have its entry in the audit log when the test ends."""
        with Store.open(location) as opened:
            with acts_watched(opened) as unentered:
                yield opened
            assert unentered == []


class OnSqlite:
    """The embedded default."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> str | Path:
        """Name a file in a folder of its own, with the store's tables."""
        return with_tables(tmp_path / "store.db")


class OnPostgres:
    """The database of an installation with several replicas."""

    @pytest.fixture
    def location(self, postgres_url: str) -> str | Path:
        """Take a database of the test's own."""
        return postgres_url
