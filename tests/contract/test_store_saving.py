"""A store is saved whole, whatever database it is in, and sums tell two stores apart."""

from __future__ import annotations

from pathlib import Path

from index.store.store import Store
from tests.contract.test_store_decisions import PHOTOS, a_case, a_decision
from tests.integration.test_store_copy import fill
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite


class SavingContract(StoreSuite):
    """What every database must do."""

    def test_saved_store_has_the_sums_of_the_first_and_can_be_used(self, store: Store, tmp_path: Path) -> None:
        """Every table has the same rows and the same checksum in the file, which is a store itself."""
        fill(store)

        store.save_to(tmp_path / "saved.db")

        with Store.open(tmp_path / "saved.db", migrate=False) as saved:
            saved.verify()
            assert saved.sums() == store.sums()
            assert saved.sums()["decisions"].rows == 3
            assert saved.record_decision(a_decision("next")).created

    def test_sums_tell_of_any_change(self, store: Store) -> None:
        """A row more, and one value that was changed, each show in the sum of their table and of no other."""
        fill(store)
        before = store.sums()

        record = a_decision("more", listing="l9")
        store.record_decision(record, case=a_case(record), images=PHOTOS)
        after = store.sums()

        changed = {name for name in before if before[name] != after[name]}
        assert {"decisions", "cases", "audit_entries", "counters"} <= changed
        assert not changed & {"brands", "brand_references", "secrets", "sellers", "policies"}


class TestSqlite(OnSqlite, SavingContract):
    """The embedded default."""


class TestPostgresql(OnPostgres, SavingContract):
    """The server."""
