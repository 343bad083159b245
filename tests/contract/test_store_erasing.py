"""Every database erases people alike: what is about them goes, evidence and the audit log stay whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import JSON, LargeBinary, String, Text, select

from index.audit.entries import Act
from index.errors import Conflict, NotFound
from index.holds import HoldSubject
from index.policies import PolicyStep
from index.store.engine import Database
from index.store.personal import IMPERSONAL, PERSONAL
from index.store.store import Store
from index.store.tables import metadata
from tests.contract.test_store_access import a_key
from tests.contract.test_store_cases import NOON, TAKEDOWN, a_report, an_appeal, open_case, ruling
from tests.contract.test_store_photos import NOTICE, a_hold
from tests.contract.test_store_sellers import an_identity
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite


def everything(location: str | Path) -> str:
    """Read every row of every table as one text."""
    database = Database(location)
    with database.read("look") as connection:
        told = "\n".join(
            f"{table.name} {tuple(row)}"
            for table in metadata.sorted_tables
            for row in connection.execute(select(table))
        )
    database.close()
    return told


class ErasingContract(StoreSuite):
    """What every database must do."""

    def test_seller_is_erased(self, store: Store, location: str | Path) -> None:
        """Nothing of a seller's identity or words is left anywhere, and decisions and their log are as they were."""
        identity = an_identity(seller_id="s1", legal_name="Muster Handels GmbH", email="shop@muster.example")
        store.put_identity(identity, now=NOON)
        case = open_case(store, "d")
        store.resolve_case(case.case_id, ruling(TAKEDOWN))
        store.add_appeal(replace(an_appeal(case), statement="I, Erika Muster, object."), case=case)

        found = store.erase_seller("s1", actor="dpo", now=NOON)

        assert found == {"identities": 1, "statements": 1}
        with pytest.raises(NotFound):
            store.get_identity("s1")
        seller = store.get_seller("s1")
        assert (seller.verified, seller.verification) == (False, None)
        left = everything(location)
        assert not [word for word in ("Muster", "muster", "Erika") if word in left]
        store.seal_audit()
        store.check_audit(trusted=lambda _: True)
        last = json.loads(list(store.sealed_entries())[-1].text)
        assert (last["act"], last["subject"], last["actor"]) == (
            Act.ERASED, store.pseudonym("s1"), store.pseudonym("dpo"),
        )  # fmt: skip

    def test_legal_hold_keeps_a_seller(self, store: Store) -> None:
        """While an order on the seller stands nothing of them is erased, and the message names it."""
        store.put_identity(an_identity(seller_id="s1"), now=NOON)
        store.add_hold(a_hold(HoldSubject.SELLER, "s1"))

        with pytest.raises(Conflict, match="hold-s1"):
            store.erase_seller("s1", actor="dpo", now=NOON)

        assert store.get_identity("s1").identity.seller_id == "s1"

    def test_reporter_is_erased(self, store: Store, location: str | Path) -> None:
        """The words, the notifier and the id of somebody's reports are gone; the report still counts in its case."""
        case = open_case(store, "d")
        notice = replace(NOTICE, notifier_name="Rosa Roe", notifier_email="rosa@roe.example")
        for number, who in enumerate(("rosa-1", "other")):
            said = replace(a_report(f"r{number}", case, reporter=who), text=f"{who} saw it", notice=notice)
            store.add_report(said, case=case, case_weight=99)

        found = store.erase_reporter("rosa-1", actor="dpo")

        assert found == {"reports": 1}
        erased, other = store.get_report("r0"), store.get_report("r1")
        assert (erased.text, erased.reporter_id.startswith("erased-"), erased.case_id) == ("", True, other.case_id)
        assert erased.notice == replace(notice, notifier_name="", notifier_email="")
        assert (other.text, other.notice) == ("other saw it", notice)
        assert "rosa-1" not in everything(location)

    def test_staff_are_erased(self, store: Store, location: str | Path) -> None:
        """A name stands nowhere any more, and what was done under it is on record as of nobody."""
        step = PolicyStep(actor="lena.lead", time=NOON, why="to begin")
        store.submit_policy("p1", b"rules", step)
        store.add_key(replace(a_key("k"), created_by="lena.lead"))
        store.add_hold(replace(a_hold(HoldSubject.LISTING, "l"), author="lena.lead"))

        found = store.erase_staff("lena.lead", actor="dpo")

        assert found == {
            "legal_holds.author": 1,
            "policies.author": 1,
            "policy_events.actor": 1,
            "api_keys.created_by": 1,
        }
        assert "lena.lead" not in everything(location)
        assert store.get_policy("p1").author.startswith("erased-")
        store.seal_audit()
        store.check_audit(trusted=lambda _: True)


def test_every_column_that_can_hold_words_or_bytes_is_classified() -> None:
    """A column is personal, or said not to be; a new one is neither until somebody says what it is."""
    for table in metadata.sorted_tables:
        there = {column.name for column in table.c if isinstance(column.type, Text | String | JSON | LargeBinary)}
        personal = [column for part in PERSONAL.get(table.name, ()) for column in part.columns.split()]
        impersonal = IMPERSONAL.get(table.name, "").split()

        assert sorted(there) == sorted([*personal, *impersonal]), table.name
    assert {*PERSONAL, *IMPERSONAL} <= metadata.tables.keys()


class TestSqlite(OnSqlite, ErasingContract):
    """The embedded default."""


class TestPostgresql(OnPostgres, ErasingContract):
    """The server."""
