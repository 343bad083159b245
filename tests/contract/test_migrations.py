"""Does the schema go up and down on every database, with data in it? One suite, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from index.records import Brand, ReferenceState
from index.store import migrate
from index.store.engine import Database
from index.store.store import Store
from index.store.tables import metadata
from tests.contract.test_store import ACME, a_price, a_reference, an_embedding
from tests.contract.test_store_decisions import COUNTERFEIT, NOON, PHOTOS, a_case, a_decision

REVISIONS = [
    script.revision
    for script in ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).walk_revisions("base", "heads")
]  # newest first
# The last schema before brands could serve themselves.
BEFORE_SELF_SERVICE = "0008"


def fill(place: str | Path) -> None:
    """Put something into the store that each release so far has known how to keep."""
    with Store.open(place, migrate=False) as store:
        store.put_brands([ACME, Brand(brand_id="b", name="Bravo")])
        store.add_references([(a_reference("r"), [an_embedding("r")]), (a_reference("old"), [])])
        store.set_reference_state("old", ReferenceState.RETIRED)
        store.add_price_observations([a_price("1.50", "p1")])
        record = a_decision("d", listing="l", key="k")
        store.record_decision(record, case=a_case(record), images=PHOTOS)
        store.remove_listing("l", COUNTERFEIT, NOON)


def differences(database: Database) -> list[object]:
    """Name what would have to be migrated for the schema to be the one in code."""
    with database.read("compare") as connection:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))


def tables_of(database: Database) -> set[str]:
    """Name the tables there are."""
    with database.read("look") as connection:
        return set(inspect(connection).get_table_names())


class MigrationContract:
    """What every database must do; a subclass says where it is by overriding the fixture `location`."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> str | Path:
        """Where the database is that this suite tests: there is nothing in it yet."""
        raise NotImplementedError

    @pytest.fixture
    def database(self, location: str | Path) -> Iterator[Database]:
        """Connect to the database."""
        opened = Database(location)
        yield opened
        opened.close()

    def test_schema_is_that_of_the_code_after_going_down_and_up(self, database: Database) -> None:
        """From nothing to the newest, down to nothing and up again, the tables are those that the code uses."""
        migrate.upgrade(database)
        first = differences(database)
        migrate.downgrade(database, "base")
        left = tables_of(database)
        migrate.upgrade(database)

        assert (first, left, differences(database)) == ([], {"alembic_version"}, [])

    def test_each_step_can_be_taken_back_with_data_in_it(self, location: str | Path, database: Database) -> None:
        """Down one revision after the other with rows in the tables, and up again, each step works by itself."""
        migrate.upgrade(database)
        fill(location)

        for revision in [*REVISIONS[1:], "base"]:
            migrate.downgrade(database, revision)
        for revision in reversed(REVISIONS):
            migrate.upgrade(database, revision)

        assert differences(database) == []
        fill(location)

    def test_data_of_the_last_release_survive(self, location: str | Path, database: Database) -> None:
        """What was kept before brands could serve themselves is there in the newest schema, and still when back."""
        migrate.upgrade(database)
        fill(location)
        migrate.downgrade(database, BEFORE_SELF_SERVICE)

        migrate.upgrade(database)

        with Store.open(location, migrate=False) as store:
            assert [(brand.brand_id, brand.name, brand.aliases) for brand in store.iter_brands()] == [
                ("acme", ACME.name, ACME.aliases), ("b", "Bravo", ()),
            ]  # fmt: skip
            ((reference, embeddings),) = store.iter_references("model-a")
            assert (reference.reference_id, reference.box, reference.pdq) == (
                "r",
                a_reference("r").box,
                bytes(range(32)),
            )
            assert embeddings[0].vector.tobytes() == an_embedding("r").vector.tobytes()
            assert store.get_reference("old").state is ReferenceState.RETIRED
            assert list(store.iter_price_observations()) == [a_price("1.50", "p1")]
            assert store.get_decision("d") == a_decision("d", listing="l", key="k")
            assert store.decision_images("d") == PHOTOS
            assert store.get_case("case-d").decision_id == "d"
            assert len(list(store.iter_removed_images())) == len(PHOTOS)
            assert store.put_brands([Brand(brand_id="next", name="Next")]) == 1


class TestSqliteMigrations(MigrationContract):
    """The embedded default."""

    @pytest.fixture
    def location(self, tmp_path: Path) -> str | Path:
        """Name a file in a folder of its own."""
        return tmp_path / "store.db"


class TestPostgresMigrations(MigrationContract):
    """The database of an installation with several replicas."""

    @pytest.fixture
    def location(self, bare_postgres_url: str) -> str | Path:
        """Take a database of the test's own, without tables."""
        return bare_postgres_url
