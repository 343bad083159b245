"""Does every database keep what was learnt from verdicts alike? Calibrations, certificates, bets, tiers, the secret."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from index.errors import Conflict, NotFound
from index.learning import CalibrationOnRecord, CertificateState
from index.store.store import Store
from index.verdicts import VerdictSource
from index.wager import Wager
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite
from tests.unit.judging import CERTIFICATE, FUSION, NOON, judge, record

VALID, SUSPENDED, SUPERSEDED = CertificateState.VALID, CertificateState.SUSPENDED, CertificateState.SUPERSEDED
LATER = NOON + timedelta(hours=1)


def a_state(number: int, *, version: str = "") -> CalibrationOnRecord:
    """Make the record of a calibration's state."""
    return CalibrationOnRecord(
        fusion_version=FUSION, number=number, version=version or f"v{number}", learnt=number, create_time=NOON
    )


class LearningContract(StoreSuite):
    """What every database must do."""

    # --- verdicts with their decisions -------------------------------------------------------------------------------

    def test_verdicts_come_with_their_decisions(self, store: Store) -> None:
        """Verdicts come in the order of their numbers, within the limits asked, each with its decision's bytes."""
        made = [record(store, f"d{place}") for place in range(3)]
        for decision in made:
            judge(store, decision, infringing=True)

        found = store.judged_after(1, up_to=2)

        assert [(one.verdict.number, one.verdict.decision_id, one.payload) for one in found] == [
            (2, "d1", made[1].payload)
        ]
        assert (found[0].decide_time, found[0].model_fingerprint) == (NOON, "model")
        assert len(store.judged_after(0, limit=2)) == 2

    def test_verdicts_on_a_certificate_are_found(self, store: Store) -> None:
        """Those on takedowns that rested on one certificate can be asked for alone."""
        judge(store, record(store, "d1", verdict="TAKEDOWN", certificate_id="c1"), infringing=True)
        judge(store, record(store, "d2", verdict="TAKEDOWN", certificate_id="c2"), infringing=True)

        assert [one.verdict.decision_id for one in store.judged_after(0, certificate_id="c2")] == ["d2"]

    def test_reviews_that_nobody_judged(self, store: Store) -> None:
        """Found are decisions for REVIEW without a verdict that stands: none, one undone, or an appeal's only.

        A listing that was decided anew is found by its new decision alone.
        """
        record(store, "overtaken", listing="listing-untouched")
        for name in ("judged", "undone", "untouched", "appealed"):
            record(store, name)
        judge(store, store.get_decision("judged"), infringing=True)
        judge(store, store.get_decision("undone"), infringing=True)
        judge(store, store.get_decision("undone"), infringing=True, undone=True)
        judge(store, store.get_decision("appealed"), infringing=False, source=VerdictSource.APPEAL)
        record(store, "allowed", verdict="ALLOW")
        record(store, "taken-down", verdict="TAKEDOWN")

        found = [one.decision_id for one in store.unjudged_reviews(before=LATER)]

        assert found == ["appealed", "undone", "untouched"]
        assert [one.decision_id for one in store.unjudged_reviews(before=LATER, after="appealed", limit=1)] == [
            "undone"
        ]
        assert store.unjudged_reviews(before=NOON) == ()

    def test_newest_decision(self, store: Store) -> None:
        """The decision that was recorded last is found, and None before the first."""
        assert store.newest_decision() is None
        record(store, "z")
        made = record(store, "a")

        assert store.newest_decision() == made

    # --- calibrations ------------------------------------------------------------------------------------------------

    def test_first_to_write_a_state_wins(self, store: Store) -> None:
        """A state of a number that is on record stays; whoever comes later is told of it."""
        first = store.save_calibration(a_state(3, version="mine"), b"mine")

        assert first.version == "mine"
        assert store.save_calibration(a_state(3, version="theirs"), b"theirs") == first
        assert store.find_calibration("mine") == store.newest_calibration(FUSION) == first
        assert store.checkpoint(FUSION, 3) == b"mine"

    def test_many_replicas_write_one_state(self, store: Store) -> None:
        """Of sixteen that write at once, one writes and all are told the same."""
        with ThreadPoolExecutor(16) as pool:
            told = list(pool.map(lambda n: store.save_calibration(a_state(5, version=f"r{n}"), b""), range(16)))

        assert len(set(told)) == 1

    def test_few_states_are_kept_whole(self, store: Store) -> None:
        """Whole stay the newest state and the first after each thousand verdicts; the others keep their names."""
        for number in (1, 999, 1000, 1001, 2400, 2401, 2402):
            store.save_calibration(a_state(number), f"state {number}".encode())

        kept = {store.checkpoint(FUSION, number) for number in (1, 998, 999, 1000, 1999, 2400, 2401, 2402)}

        assert kept == {None, b"state 1000", b"state 2400", b"state 2402"}
        assert store.find_calibration("v999").number == 999

    def test_checkpoint_with_a_verdict_that_was_undone_since_leads_nowhere(self, store: Store) -> None:
        """A state that learnt from a verdict undone later is no start for the states after the undoing."""
        decision, other = record(store, "d1"), record(store, "d2")
        judge(store, decision, infringing=True)
        store.save_calibration(a_state(1), b"with d1")
        judge(store, other, infringing=True)
        judge(store, decision, infringing=True, undone=True)

        assert store.checkpoint(FUSION, 2) == b"with d1"
        assert store.checkpoint(FUSION, 3) is None

    def test_unknown_state(self, store: Store) -> None:
        """A version that no state has is NotFound; a fusion without states has no newest one."""
        with pytest.raises(NotFound, match="online-1:9:abc"):
            store.find_calibration("online-1:9:abc")
        assert store.newest_calibration("another") is None

    def test_secret_is_made_once(self, store: Store) -> None:
        """All who ask get the same 32 bytes, whoever is first; another name has another secret."""
        with ThreadPoolExecutor(8) as pool:
            told = set(pool.map(lambda _: store.secret("audit"), range(8)))

        assert len(told) == 1
        assert len(store.secret("audit")) == 32
        assert store.secret("other") not in told

    # --- certificates ------------------------------------------------------------------------------------------------

    def test_certificate_comes_back_as_issued(self, store: Store) -> None:
        """Every field of a certificate is kept; it is valid, with who issued it and why."""
        store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")

        found = store.get_certificate("c1")

        assert found.certificate == CERTIFICATE
        assert (found.changed.state, found.changed.actor, found.changed.reason) == (VALID, "ada", "proved")
        assert found.wager == Wager()
        assert store.list_certificates() == (found,)

    def test_newer_certificate_supersedes_those_of_its_tier(self, store: Store) -> None:
        """The older one of the tier goes out of force, also a suspended one; another tier's stays."""
        other = replace(CERTIFICATE, certificate_id="watches-1", tier="watches")
        newer = replace(CERTIFICATE, certificate_id="c2", create_time=LATER)
        for certificate in (CERTIFICATE, other, newer):
            store.issue_certificate(certificate, actor="ada", reason="proved")

        states = {one.certificate.certificate_id: one.changed.state for one in store.list_certificates()}

        assert states == {"c1": SUPERSEDED, "watches-1": VALID, "c2": VALID}
        assert store.list_certificates()[0].certificate == newer

    def test_certificate_is_suspended_and_reinstated(self, store: Store) -> None:
        """Each change is a line with who and why; reinstating begins the bet anew, after the newest verdict."""
        store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")
        store.save_wager("c1", Wager(verified=3, errors=3, wealth=30.0), number=9)
        judge(store, record(store, "d1"), infringing=True)

        suspended = store.change_certificate("c1", SUSPENDED, reason="looks wrong", actor="bob", now=NOON)
        back = store.change_certificate("c1", VALID, reason="was right", actor="ada", now=LATER)

        assert suspended.wager.wealth == 30.0
        assert back.wager == Wager()
        changes = [(one.state, one.actor, one.after_verdict) for one in store.certificate_changes("c1")]
        assert changes == [(VALID, "ada", 0), (SUSPENDED, "bob", 1), (VALID, "ada", 1)]

    @pytest.mark.parametrize("state", [VALID, SUPERSEDED, CertificateState.EXPIRED])
    def test_change_that_cannot_be_is_refused(self, store: Store, state: CertificateState) -> None:
        """A valid certificate can only be suspended; the message names both states."""
        store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")

        with pytest.raises(Conflict, match=f"is valid and cannot become {state}"):
            store.change_certificate("c1", state, reason="", actor="bob", now=NOON)

    def test_superseded_certificate_stays_so(self, store: Store) -> None:
        """What a newer certificate replaced cannot come back."""
        store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")
        store.issue_certificate(replace(CERTIFICATE, certificate_id="c2"), actor="ada", reason="proved")

        with pytest.raises(Conflict):
            store.change_certificate("c1", VALID, reason="", actor="bob", now=NOON)

    def test_of_many_suspensions_one_counts(self, store: Store) -> None:
        """Eight replicas that suspend at once leave one line."""
        store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")

        def suspend(_: int) -> bool:
            try:
                store.change_certificate("c1", SUSPENDED, reason="alarm", actor="kill switch", now=NOON)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(suspend, range(8))) == 1
        assert len(store.certificate_changes("c1")) == 2

    def test_unknown_certificate(self, store: Store) -> None:
        """A certificate that there is not is NotFound, for reading and for changing."""
        with pytest.raises(NotFound, match="c9"):
            store.get_certificate("c9")
        with pytest.raises(NotFound, match="c9"):
            store.change_certificate("c9", SUSPENDED, reason="", actor="bob", now=NOON)

    def test_bet_never_goes_back(self, store: Store) -> None:
        """A bet that is known further on stays, whoever writes an older one later."""
        store.issue_certificate(CERTIFICATE, actor="ada", reason="proved")
        store.save_wager("c1", Wager(verified=2, errors=0, wealth=0.9), number=12)
        store.save_wager("c1", Wager(verified=1, errors=0, wealth=0.95), number=11)
        store.save_wager("c1", Wager(verified=9, errors=9, wealth=99.0), number=12)

        assert store.get_certificate("c1").wager == Wager(verified=2, errors=0, wealth=0.9)
        assert store.wagered_up_to() == {"c1": 12}

    def test_tier_of_a_brand_is_kept_with_its_time(self, store: Store) -> None:
        """Giving a brand the tier it has keeps the time; another tier takes the new time."""
        store.put_tier("Acme", "watches", now=NOON)
        store.put_tier("Acme", "watches", now=LATER)
        store.put_tier("Bravo", "watches", now=NOON)
        store.put_tier("Bravo", "bags", now=LATER)

        found = [(one.brand, one.tier, one.since) for one in store.list_tiers()]

        assert found == [("Acme", "watches", NOON), ("Bravo", "bags", LATER)]


class TestSqliteLearning(OnSqlite, LearningContract):
    """The embedded default."""


class TestPostgresLearning(OnPostgres, LearningContract):
    """The database of an installation with several replicas."""
