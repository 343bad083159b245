"""Does the store open what it should, and refuse the rest with a way out? Migrations, foreign and damaged files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from index.decision_records import RemovalReason, RemovedImage
from index.errors import StoreError
from index.records import Brand
from index.store import migrate
from index.store.engine import Database
from index.store.store import Store
from index.store.tables import metadata


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store will be; there is no file yet."""
    return tmp_path / "store.db"


def make_store(path: Path) -> None:
    """Make a store that fills some pages, or put the same into the one that is there."""
    with Store.open(path) as store:
        store.put_brands(Brand(brand_id=f"b{number}", name=f"Brand {number}") for number in range(200))


def use_store(path: Path) -> None:
    """Open the store, read from it and verify it."""
    with Store.open(path) as store:
        list(store.iter_brands())
        store.verify()


def tables_in(path: Path) -> set[str]:
    """Name the tables in the file."""
    database = Database(path)
    with database.read("look") as connection:
        names = set(inspect(connection).get_table_names())
    database.close()
    return names


def test_migrations_build_the_tables_that_the_code_uses(path: Path) -> None:
    """Nothing is left for a further migration: the migrated schema and the tables in code are the same."""
    make_store(path)
    database = Database(path)

    with database.read("compare") as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()

    assert differences == []


def test_schema_can_be_taken_down_and_built_again(path: Path) -> None:
    """Going down to nothing drops every table; going up again gives a store that works."""
    make_store(path)
    database = Database(path)

    migrate.downgrade(database, "base")
    left = tables_in(path)
    migrate.upgrade(database)
    database.close()

    assert left == {"alembic_version"}
    with Store.open(path, migrate=False) as store:
        assert store.put_brands([Brand(brand_id="b", name="Brand")]) == 1


def test_store_of_an_older_release_keeps_its_removed_photos(path: Path) -> None:
    """Photos that were removed before details were kept stay known by their hashes, and have no details."""
    database = Database(path)
    migrate.upgrade(database, "0002")
    database.close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA foreign_keys = OFF")
        file.execute("INSERT INTO removed_images (listing_id, sha256, pdq, brand) VALUES ('l', 'aa', x'00', 'Acme')")

    with Store.open(path) as store:
        images, details = list(store.iter_removed_images()), store.removed_features([("l", "aa")])

    assert images == [RemovedImage(listing_id="l", sha256="aa", pdq=b"\x00", brand="Acme")]
    assert details == {}


def test_store_of_an_older_release_keeps_its_cases(path: Path) -> None:
    """Cases that were opened before people could decide keep their place, and events tell their verdict and case."""
    database = Database(path)
    migrate.upgrade(database, "0006")
    with sqlite3.connect(path) as file:
        file.execute(
            "INSERT INTO decisions (decision_id, listing_id, seller_id, brand, verdict, create_time, request_sha256, "
            "model_fingerprint, index_version, policy_version, payload) "
            "VALUES ('d', 'l', 's', 'Acme', 'REVIEW', '2025-09-01 12:00:00', 'x', '', '', '', x'00')"
        )
        file.execute(
            "INSERT INTO cases (case_id, decision_id, listing_id, brand, verdict, priority, state, assignee, "
            "resolution, create_time, revision) "
            "VALUES ('c', 'd', 'l', 'Acme', 'REVIEW', 0.25, 'open', '', '', '2025-09-01 12:00:00', 0)"
        )
        file.execute(
            "INSERT INTO decision_events (cursor, kind, decision_id, create_time) "
            "VALUES (1, 'decided', 'd', '2025-09-01 12:00:00')"
        )
    file.close()

    with Store.open(path) as store:
        case, (event,) = store.get_case("c"), store.events_after(0)
    migrate.downgrade(database, "0006")
    migrate.upgrade(database)
    with Store.open(path) as store:
        again = store.get_case("c")
    database.close()

    assert (case.seller_id, case.expected_harm, case.probability, case.origin) == ("s", 0.25, 0.25, "screening")
    assert case.update_time == case.create_time
    assert (event.verdict, event.case_id) == ("REVIEW", "c")
    assert again == case


def test_opening_twice_migrates_once(path: Path) -> None:
    """Many threads that open a new store at once all get a working one."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: make_store(path), range(8)))

    with Store.open(path, migrate=False) as store:
        assert store.counts().brands == 200


def test_migration_that_fails_leaves_the_schema_as_it_was(path: Path) -> None:
    """Migrations run in one transaction: one that fails half-way leaves no table behind."""
    with sqlite3.connect(path) as connection:
        # In the way of a table of that name, when others are made already; a view is not seen as a foreign table.
        connection.execute("CREATE VIEW cases AS SELECT 1")
    connection.close()

    with pytest.raises(StoreError, match="migrate the schema"):
        Store.open(path)

    assert tables_in(path) == set()


def test_unknown_revision_is_refused(path: Path) -> None:
    """Migrating to a revision that does not exist is refused by name."""
    database = Database(path)

    with pytest.raises(StoreError, match="no-such-revision"):
        migrate.upgrade(database, "no-such-revision")
    database.close()


def test_older_schema_is_refused_when_it_may_not_be_migrated(path: Path) -> None:
    """Without leave to migrate, the message names both revisions and the command."""
    with pytest.raises(
        StoreError, match=rf"revision none.*{migrate.head()}.*python -m index.store.migrate .*store\.db"
    ):
        Store.open(path, migrate=False)


def test_newer_schema_is_refused(path: Path) -> None:
    """A schema from a newer release is refused with both revisions, and nothing of it is touched."""
    make_store(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()

    with pytest.raises(StoreError, match=rf"revision 9999.*newer release.*{migrate.head()}"):
        Store.open(path)


def test_migrating_from_the_command_line(path: Path) -> None:
    """The command in the messages builds the schema, and says so."""
    command = [sys.executable, "-m", "index.store.migrate"]

    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    refused = subprocess.run([*command, str(path.parent)], capture_output=True, text=True, check=False)

    assert (done.returncode, refused.returncode) == (0, 1)
    assert migrate.head() in done.stdout
    assert "is a folder" in refused.stderr
    Store.open(path, migrate=False).close()


def test_file_of_another_kind_is_refused(path: Path) -> None:
    """A file that is no database is refused with its name and what to do, and is left as it is."""
    path.write_bytes(b"certainly not a database, but long enough to be taken for one " * 100)

    with pytest.raises(StoreError, match=r"store\.db.*no SQLite database.*backup"):
        Store.open(path)

    assert path.read_bytes().startswith(b"certainly")


def test_database_of_something_else_is_refused(path: Path) -> None:
    """An SQLite file with foreign tables is refused and gets none of ours."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()

    with pytest.raises(StoreError, match=r"something else.*recipes"):
        Store.open(path)

    assert tables_in(path) == {"recipes"}


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_damaged_pages_are_reported(path: Path, share: float) -> None:
    """Whatever page is overwritten, using or verifying the store raises StoreError with file and remedy."""
    make_store(path)
    content = bytearray(path.read_bytes())
    start = int(len(content) * share) // 4096 * 4096
    content[start : start + 3 * 4096] = b"\xa5" * (3 * 4096)
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"store\.db.*damaged.*backup"):
        use_store(path)


def test_truncated_file_is_reported(path: Path) -> None:
    """A file that lost its end is found out with file and remedy."""
    make_store(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(StoreError, match=r"store\.db.*damaged.*backup"):
        use_store(path)


@pytest.mark.parametrize(
    ("place", "remedy"),
    [
        (":memory:", "Name a path"),
        ("sqlite://", "Name a path"),
        ("mysql://host/name", "sqlite or postgresql"),
        ("://", "sqlite:///FILE"),
    ],
)
def test_place_that_cannot_hold_a_store_is_refused(place: str, remedy: str) -> None:
    """A place that the store cannot be kept in is refused, and the message says what would do."""
    with pytest.raises(StoreError, match=remedy):
        Store.open(place)


def test_url_and_path_open_the_same_store(path: Path) -> None:
    """An SQLite URL and the plain path lead to one file, whose folder is made when it is missing."""
    nested = path.parent / "a" / "b" / "store.db"
    make_store(nested)

    with Store.open(f"sqlite:///{nested}") as store:
        assert store.counts().brands == 200
        assert store.name == str(nested)


def test_store_of_an_older_release_has_its_sellers_counted(path: Path) -> None:
    """Decisions from before tallies were kept count as they would have: takedowns and counterfeits are strikes."""
    database = Database(path)
    migrate.upgrade(database, "0004")
    database.close()
    told = [
        ("d1", "a", "s", "TAKEDOWN"), ("d2", "a", "s", "ALLOW"), ("d3", "b", "s", "ALLOW"), ("d4", "c", "s", "ALLOW"),
        ("d5", "d", "", "TAKEDOWN"), ("d6", "e", "t", "ALLOW"),
    ]  # fmt: skip
    with sqlite3.connect(path) as file:
        for decision, listing, seller, verdict in told:
            file.execute(
                "INSERT INTO decisions (decision_id, listing_id, seller_id, brand, verdict, create_time,"
                " request_sha256, model_fingerprint, index_version, policy_version, payload)"
                " VALUES (?, ?, ?, '', ?, '2025-09-01 12:00:00.000000', '', '', '', '', x'')",
                (decision, listing, seller, verdict),
            )
        for listing, decision, reason in [("b", "d3", "COUNTERFEIT"), ("c", "d4", "ENDED_BY_SELLER")]:
            file.execute(
                "INSERT INTO removed_listings (listing_id, decision_id, reason, note, remove_time)"
                " VALUES (?, ?, ?, '', '2025-09-02 12:00:00.000000')",
                (listing, decision, reason),
            )
    file.close()

    with Store.open(path) as store:
        half_a_year_later = datetime(2026, 2, 28, 12, tzinfo=UTC)
        tallies = {seller: store.seller_standing(seller, now=half_a_year_later).tally for seller in ("s", "t", "")}
        store.remove_listing("b", RemovalReason.OTHER_VIOLATION, half_a_year_later)
        corrected = store.seller_standing("s", now=half_a_year_later).tally

    assert {seller: (tally.strikes, tally.decisions) for seller, tally in tallies.items()} == {
        "s": (2, 3), "t": (0, 1), "": (0, 0),
    }  # fmt: skip
    assert [tallies["s"].decayed.strikes, tallies["s"].decayed.listings] == pytest.approx([1.0, 1.5])
    assert (corrected.strikes, corrected.decisions) == (1, 3)
