"""Does every database keep the audit log alike? Each act is entered with it, chained, and cannot be changed unseen."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Update, text, update

from index.audit.chain import Head
from index.audit.entries import Act
from index.errors import AuditBroken, Conflict, StoreError
from index.holds import HoldSubject, HoldVerdict, LegalHold
from index.policies import PolicyStep
from index.records import Brand
from index.store import migrate
from index.store.audit import HeadSigner
from index.store.engine import Database
from index.store.store import Store
from index.store.tables.decisions import decisions
from tests.contract.test_store import ACME, a_reference, an_embedding
from tests.contract.test_store_access import a_key
from tests.contract.test_store_cases import ALLOW, open_case, ruling
from tests.contract.test_store_decisions import COUNTERFEIT, NOON, a_decision
from tests.support.audited import acts_watched
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite


def believed(_head: Head) -> bool:
    """Take every head as it is."""
    return True


def entries(store: Store) -> list[dict[str, object]]:
    """Read what is chained."""
    return [json.loads(sealed.text) for sealed in store.sealed_entries()]


def past_the_code(location: str | Path, *statements: str | Update) -> None:
    """Change the database as somebody would who has its password, with the log's triggers out of the way."""
    database = Database(location)
    with database.write("tamper") as connection:
        if connection.dialect.name == "sqlite":
            for trigger in ("entries_kept", "entries_stay", "heads_kept", "heads_stay"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_{trigger}"))
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement) if isinstance(statement, str) else statement)
    database.close()


def acts(store: Store) -> None:
    """Do something of many kinds."""
    store.put_brands([ACME], actor="lena")
    store.add_references([(a_reference("r"), [an_embedding("r")])])
    for number in range(4):
        store.record_decision(a_decision(f"d{number}", listing=f"l{number}"))
    case = open_case(store, "d")
    made = store.resolve_case(case.case_id, ruling(ALLOW, "ann"))
    store.undo_resolution(made.resolution_id, reason="a mistake", time=NOON + timedelta(hours=3), reviewer="r-ann")
    store.remove_listing("l1", COUNTERFEIT, NOON)
    step = PolicyStep(actor="lena", time=NOON, why="to begin")
    store.submit_policy("p1", b"rules", step)
    store.activate_policy("p1", step, two_people=False)
    store.add_key(a_key("k"))
    hold = LegalHold(
        hold_id="h", subject=HoldSubject.SELLER, subject_id="seller-77", verdict=HoldVerdict.REVIEW, why="17 Js 3/26",
        author="lena", create_time=NOON,
    )  # fmt: skip
    store.add_hold(hold)
    store.forget_photos(seller_id="seller-77", now=NOON)


class AuditContract(StoreSuite):
    """What every database must do."""

    def test_each_act_has_its_entry_in_the_order_in_which_it_was_done(self, store: Store) -> None:
        """Decisions, verdicts, policies, the registry and access are all in the log, and nobody's name is."""
        acts(store)

        head = store.seal_audit()

        found = entries(store)
        told = [entry["act"] for entry in found]
        assert told.count(Act.DECIDED) == 5
        assert [one for one in told if one != Act.DECIDED] == [
            Act.REGISTRY_CHANGED, Act.REFERENCE_IMPORTED, Act.VERDICT_GIVEN, Act.VERDICT_UNDONE, Act.REMOVED,
            Act.POLICY_CHANGED, Act.POLICY_CHANGED, Act.KEY_CREATED, Act.HOLD_PLACED, Act.ERASED,
        ]  # fmt: skip
        assert head is not None
        assert head.position == len(found)
        assert store.unsealed_entries() == 0
        everything = json.dumps(found)
        assert not [name for name in ("lena", 'ann"', "seller-77", "argon2", "17 Js") if name in everything]
        by_lena = {entry["actor"] for entry in found if entry["act"] in (Act.HOLD_PLACED, Act.POLICY_CHANGED)}
        assert by_lena == {store.pseudonym("lena")}

    def test_an_act_that_fails_leaves_no_entry(self, store: Store) -> None:
        """What is taken back is not in the log: the entry is part of the act's transaction."""

        def too_late() -> None:
            raise TimeoutError("the deadline has passed")

        with pytest.raises(TimeoutError):
            store.record_decision(a_decision("d"), commit_guard=too_late)
        store.record_decision(a_decision("twice"))
        with pytest.raises(Conflict):
            store.record_decision(a_decision("twice"))

        store.seal_audit()

        assert [entry["subject"] for entry in entries(store)] == ["twice"]

    def test_nothing_in_the_log_can_be_changed_or_deleted(self, store: Store, location: str | Path) -> None:
        """The database itself refuses it, for entries chained and not yet, and for heads."""
        store.record_decision(a_decision("d1"))
        store.seal_audit()
        store.record_decision(a_decision("d2"))

        for statement in (
            "UPDATE audit_entries SET entry = '{}'",
            "UPDATE audit_entries SET entry = '{}' WHERE position IS NULL",
            "UPDATE audit_entries SET position = 9 WHERE position = 1",
            "DELETE FROM audit_entries",
            "DELETE FROM audit_entries WHERE position IS NULL",
            "UPDATE audit_heads SET hash = ''",
            "DELETE FROM audit_heads",
        ):
            database = Database(location)
            with pytest.raises(StoreError, match="append-only"), database.write("tamper") as connection:
                connection.execute(text(statement))
            database.close()
        store.seal_audit()

        assert [entry["subject"] for entry in entries(store)] == ["d1", "d2"]

    def test_sound_log_is_found_sound(self, store: Store) -> None:
        """A log that nobody touched verifies, also against a head that was kept, and while entries wait."""
        acts(store)
        kept = store.seal_audit()
        store.record_decision(a_decision("later"))
        assert kept is not None

        tally = store.check_audit(known={kept.position: kept.hash}, trusted=believed)

        assert (tally.sealed, tally.unsealed, tally.heads) == (kept.position, 1, 1)
        assert tally.compared == {"decisions": 6, "resolutions": 1, "policies": 1}

    @pytest.mark.parametrize(
        ("statement", "position", "what"),
        [
            ("UPDATE audit_entries SET entry = replace(entry, 'l0', 'l9') WHERE position = 3", 3, "was changed"),
            ("DELETE FROM audit_entries WHERE position = 4", 4, "is missing"),
            ("DELETE FROM audit_entries WHERE position > 9", 10, "cut off"),
            ("UPDATE decisions SET verdict = 'ALLOW' WHERE decision_id = 'd1'", 4, "'d1' was"),
            (update(decisions).where(decisions.c.decision_id == "d2").values(payload=b"other"), 5, "another content"),
            (update(decisions).where(decisions.c.decision_id == "d2").values(policy_version="p"), 5, "another policy"),
            ("UPDATE policies SET state = 'retired'", 0, "the policy 'p1'"),
            ("UPDATE resolutions SET verdict = 'TAKEDOWN'", 0, "the resolution"),
        ],
    )
    def test_what_was_changed_behind_the_log_is_named(
        self, store: Store, location: str | Path, statement: str | Update, position: int, what: str
    ) -> None:
        """An entry or a record that somebody with the database's password changed is found, and named."""
        acts(store)
        store.seal_audit()

        past_the_code(location, statement)

        with pytest.raises(AuditBroken, match=what) as broken:
            store.check_audit(trusted=believed)
        assert broken.value.position == position

    def test_reordered_entries_are_found(self, store: Store, location: str | Path) -> None:
        """Two entries that changed places show at the first of the two."""
        acts(store)
        store.seal_audit()

        swap = "UPDATE audit_entries SET position = {} WHERE position = {}"
        past_the_code(location, swap.format(-1, 3), swap.format(3, 4), swap.format(4, -1))

        with pytest.raises(AuditBroken, match="entry 3") as broken:
            store.check_audit(trusted=believed)
        assert broken.value.position == 3

    def test_log_that_was_cut_off_with_its_heads_is_found(self, store: Store, location: str | Path) -> None:
        """Without its own heads a shorter log looks whole: a head kept elsewhere tells, and so do the records."""
        acts(store)
        head = store.seal_audit()
        assert head is not None

        past_the_code(
            location, "DELETE FROM audit_heads", f"DELETE FROM audit_entries WHERE position = {head.position}"
        )
        store.check_audit(trusted=believed)  # nothing on record needs the last entry, an erasure
        with pytest.raises(AuditBroken, match="cut off") as broken:
            store.check_audit(known={head.position: head.hash}, trusted=believed)
        assert broken.value.position == head.position

        past_the_code(location, "DELETE FROM audit_entries WHERE position > 6")
        with pytest.raises(AuditBroken, match="no entry tells of the decision 'd'"):
            store.check_audit(trusted=believed)

    def test_many_at_once_make_one_chain(self, store: Store, location: str | Path) -> None:
        """Replicas that record and seal side by side leave one chain without a gap, with every act in it once."""

        def work(worker: int) -> None:
            with Store.open(location) as own:
                for number in range(5):
                    own.record_decision(a_decision(f"d{worker}-{number}", listing=f"l{worker}-{number}"))
                    own.seal_audit()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        store.seal_audit()

        tally = store.check_audit(trusted=believed)
        assert (tally.sealed, tally.unsealed, tally.compared["decisions"]) == (20, 0, 20)
        for worker in range(4):
            own = [entry["subject"] for entry in entries(store) if str(entry["subject"]).startswith(f"d{worker}-")]
            assert own == [f"d{worker}-{number}" for number in range(5)]

    def test_heads_are_signed(self, store: Store) -> None:
        """A head carries the operator's signature over position, hash and time; a forged one is refused."""
        key = Ed25519PrivateKey.generate()
        store.put_brands([Brand(brand_id="b", name="Bravo")])

        head = store.seal_audit(HeadSigner("ops", key.sign))

        assert head == store.audit_head()
        assert head is not None
        key.public_key().verify(bytes.fromhex(head.signature), head.statement)
        with pytest.raises(AuditBroken, match="signature of the head at 1"):
            store.check_audit(trusted=lambda one: one.signer != "ops")

    def test_the_log_moves_with_the_store(self, store: Store, tmp_path: Path) -> None:
        """A copy of the store holds the same chain, and goes on with it."""
        acts(store)
        head = store.seal_audit()

        with Store.open(tmp_path / "copy.db") as copy:
            store.copy_to(copy)
            copy.record_decision(a_decision("next"))
            sealed = copy.seal_audit()
            copy.check_audit(known={} if head is None else {head.position: head.hash}, trusted=believed)

        assert head is not None
        assert sealed is not None
        assert sealed.position == head.position + 1


def test_store_that_is_older_than_the_log_is_sound(tmp_path: Path) -> None:
    """What was decided before the log began has no entry, and what comes afterwards has; both are found in order."""
    with Store.open(tmp_path / "store.db") as store:
        acts(store)
    database = Database(tmp_path / "store.db")
    migrate.downgrade(database, "0022")
    migrate.upgrade(database)
    database.close()

    with Store.open(tmp_path / "store.db") as store:
        store.record_decision(a_decision("after"))
        store.seal_audit()
        tally = store.check_audit(trusted=believed)

        assert [entry["act"] for entry in entries(store)] == [Act.LOG_BEGAN, Act.DECIDED]
        assert tally.compared == {"decisions": 1, "resolutions": 0, "policies": 0}


def test_an_act_without_its_entry_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What watches every store in these suites sees an act that nobody entered."""
    with Store.open(tmp_path / "store.db") as store, acts_watched(store) as unentered:
        store.record_decision(a_decision("d1"))
        monkeypatch.setattr("index.store.decisions.enter", lambda *_: None)
        store.record_decision(a_decision("d2"))

        assert unentered == ["decisions"]


def test_every_store_of_a_process_can_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a service or a command opens by itself, and those that were open before."""
    with Store.open(tmp_path / "one.db") as before, acts_watched() as unentered:
        with Store.open(tmp_path / "other.db") as opened:
            monkeypatch.setattr("index.store.decisions.enter", lambda *_: None)
            for store in (before, opened):
                store.record_decision(a_decision("d"))

        assert unentered == ["decisions", "decisions"]


class TestSqlite(OnSqlite, AuditContract):
    """The embedded default."""


class TestPostgresql(OnPostgres, AuditContract):
    """The server."""
