"""Does a store move from one database to another whole, and by the command? SQLite to PostgreSQL and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from index.errors import Conflict
from index.records import Brand, ReferenceState
from index.store.engine import Database
from index.store.store import Store
from index.store.tables import metadata
from serving.cli.main import touchstone
from tests.contract.test_store import ACME, a_price, a_reference, an_embedding
from tests.contract.test_store_decisions import COUNTERFEIT, NOON, PHOTOS, a_case, a_decision


def fill(store: Store) -> None:
    """Put something into many tables: of most kinds of columns, and by counters as well as by sequences."""
    store.put_brands([ACME, Brand(brand_id="b", name="Bravo")])
    store.add_references([(a_reference(f"r{n}"), [an_embedding(f"r{n}")]) for n in range(3)])
    store.set_reference_state("r1", ReferenceState.RETIRED)
    store.add_price_observations([a_price("1.50", "p1"), a_price("2")])
    store.set_authorised_sellers("acme", [])
    for number in range(3):
        record = a_decision(f"d{number}", listing=f"l{number % 2}", key=f"k{number}")
        store.record_decision(record, case=a_case(record), images=PHOTOS)
    store.remove_listing("l1", COUNTERFEIT, NOON)
    store.secret("audits")


def everything_in(place: str | Path) -> dict[str, list[tuple[object, ...]]]:
    """Read every row of every table, in the order of its key."""
    database = Database(place)
    with database.read("look") as connection:
        rows = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }
    database.close()
    return rows


def test_store_moves_to_postgres_and_back(tmp_path: Path, postgres_url: str) -> None:
    """Every row of every table arrives as it was, there and back, and the copy goes on counting where it was."""
    here, back = tmp_path / "here.db", tmp_path / "back.db"
    with Store.open(here) as store, Store.open(postgres_url) as there, Store.open(back) as again:
        fill(store)
        rows = store.copy_to(there)
        there.copy_to(again)

        moved = [everything_in(place) for place in (here, postgres_url, back)]
        assert moved[0] == moved[1] == moved[2]
        assert rows == {name: len(of) for name, of in moved[0].items()}
        assert sum(1 for count in rows.values() if count) > 15
        for copy in (there, again):
            assert copy.record_decision(a_decision("next", listing="l0")).created
            assert copy.event_head() == store.event_head() + 1
            latest = copy.latest_decision("l0")
            assert latest is not None
            assert latest.decision_id == "next"  # numbered after those that were copied


def test_used_database_is_left_alone(tmp_path: Path, postgres_url: str) -> None:
    """A copy over a store that holds something is refused, and changes nothing there."""
    with Store.open(tmp_path / "store.db") as store, Store.open(postgres_url) as used:
        fill(store)
        used.put_brands([Brand(brand_id="mine", name="Mine")])
        before = everything_in(postgres_url)

        with pytest.raises(Conflict, match="holds audit_entries already"):
            store.copy_to(used)

    assert everything_in(postgres_url) == before


def test_command_copies_and_the_setting_names_the_copy(
    tmp_path: Path, bare_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`store copy` makes the tables and fills them; commands that the setting `store` leads there find everything."""
    with Store.open(tmp_path / "touchstone.db") as store:
        fill(store)

    copied = CliRunner().invoke(
        touchstone, ["--data-dir", str(tmp_path), "--json", "store", "copy", "--to", bare_postgres_url]
    )
    monkeypatch.setenv("TOUCHSTONE_STORE", bare_postgres_url)
    listed = CliRunner().invoke(touchstone, ["--data-dir", str(tmp_path / "other"), "--json", "brands", "list"])

    assert copied.exit_code == 0, copied.output
    assert json.loads(copied.stdout)["tables"]["brands"] == 2
    assert "Bravo" in listed.stdout
    assert not (tmp_path / "other" / "touchstone.db").exists()
