"""Does the schema go up and down on every database, with data in it? One suite, one class each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, update

from index.photos import PhotoOwner
from index.records import Brand, ReferenceState
from index.store import migrate
from index.store.engine import Database
from index.store.store import Store
from index.store.tables import metadata
from index.store.tables.cases import reviews
from tests.contract.test_store import ACME, a_price, a_reference, an_embedding
from tests.contract.test_store_cases import ALLOW, TAKEDOWN, open_case, ruling
from tests.contract.test_store_decisions import COUNTERFEIT, NOON, PHOTOS, a_case, a_decision
from tests.contract.test_store_insight import ALWAYS
from tests.contract.test_store_photos import a_photo

REVISIONS = [
    script.revision
    for script in ScriptDirectory(str(Path(migrate.__file__).parent / "migrations")).walk_revisions("base", "heads")
]  # newest first
# The last schema before brands could serve themselves.
BEFORE_SELF_SERVICE = "0008"
# The last one that did not keep who answered what, and the one that wrote it down first.
BEFORE_ANSWERS, AS_THEY_WERE = "0017", "0018"
SPOILT = {"kind": "decision", "judges": ""}


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


def overruled(store: Store) -> None:
    """Let one person take a listing down, and a second one overrule that."""
    case = open_case(store, "d", expected_harm=9.0)
    for verdict, name, hours in ((TAKEDOWN, "ann", 1), (ALLOW, "ben", 2)):
        store.resolve_case(case.case_id, ruling(verdict, name, hours=hours, second_review_harm=1.0))


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

    @pytest.mark.parametrize("through", ["the migration as it is", "the migration as it was"])
    def test_overrulings_of_older_releases_are_second_reviews(
        self, location: str | Path, database: Database, through: str
    ) -> None:
        """A release that kept no answers recorded how a second person overruled the first one: that is what it was.

        A store that was upgraded while this was written down as a decision is mended.
        """
        migrate.upgrade(database)
        with Store.open(location, migrate=False) as store:
            overruled(store)
        migrate.downgrade(database, BEFORE_ANSWERS)
        migrate.upgrade(database, AS_THEY_WERE)
        with database.read("look") as connection:
            kinds = connection.scalars(select(reviews.c.kind).order_by(reviews.c.number)).all()
        assert kinds == ["decision", "second_review"]
        if through == "the migration as it was":
            with database.write("spoil") as connection:
                connection.execute(update(reviews).where(reviews.c.verdict == "ALLOW").values(SPOILT))

        migrate.upgrade(database)

        with Store.open(location, migrate=False) as store:
            ann, ben = (store.reviewed(name, ALWAYS) for name in ("~ann", "~ben"))
        assert (ann.answers, ben.answers) == (1, 1)
        assert (ann.confirmed.hits, ann.confirmed.count, ann.undone.hits) == (0, 1, 0)
        assert ben.confirmed.count == 0

    def test_pictures_of_older_releases_learn_whose_they_are(self, location: str | Path, database: Database) -> None:
        """Those of a report about a listing that was screened later are its seller's, others nobody's."""
        migrate.upgrade(database)
        pictures = [replace(a_photo(name, owner=PhotoOwner.REPORT), seller_id="") for name in ("screened", "never")]
        with Store.open(location, migrate=False) as store:
            record = a_decision("d", listing="l-screened")
            store.record_decision(record, case=a_case(record))
            store.add_photos(pictures)
        migrate.downgrade(database, AS_THEY_WERE)

        migrate.upgrade(database)

        with Store.open(location, migrate=False) as store:
            found = [store.photos_of(PhotoOwner.REPORT, name)[0].seller_id for name in ("screened", "never")]
        assert found == ["seller", ""]


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
