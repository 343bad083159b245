"""Are packages, legal steps and takedowns kept alike on every database? One suite, one class each."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from index.case_records import CaseOrigin
from index.decision_records import DecisionRecord
from index.errors import Conflict, NotFound
from index.evidence_records import Audience, EvidencePackage
from index.legal_steps import LegalStep, LegalStepKind
from index.reports import ReportState
from index.rulings import Appeal, AppealState, RequestKey, Ruling
from index.store.store import Store
from tests.contract.test_store_cases import ALLOW, HOUR, NOON, TAKEDOWN, a_case, a_decision, a_report, an_appeal
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

DAY = timedelta(days=1)
PACKAGE = EvidencePackage(
    package_id="p1",
    case_id="c-d",
    listing_id="l-d",
    audience=Audience.BRAND_OWNER,
    recipient="counsel",
    disclosure_basis="litigation",
    exported_by="reviewer-1",
    create_time=NOON,
    retain_until=NOON + timedelta(days=10),
    digest="aa" * 32,
    size_bytes=2**33,
    previous_digest="",
    file_sha256="aa" * 32,
)
STEP = LegalStep(
    step_id="s1",
    case_id="c-d",
    decision_id="d",
    kind=LegalStepKind.COUNTER_ARRIVED,
    time=NOON,
    reviewer="reviewer-1",
    record_time=NOON + HOUR,
    reference="letter 7",
)
APPEAL = Appeal(
    appeal_id="a1",
    decision_id="d",
    case_id="",
    appellant_id="s1",
    statement="genuine",
    create_time=NOON,
    due_time=NOON + timedelta(days=14),
)


def decide(store: Store, decision_id: str, *, verdict: str = "REVIEW", hours: int = 0) -> None:
    """Record a decision with its case, so many hours after noon."""
    record = replace(a_decision(decision_id, verdict=verdict), create_time=NOON + hours * HOUR)
    store.record_decision(record, case=a_case(record))


def resolve(store: Store, decision_id: str, *, allow: bool = False, hours: int = 1, reviewer: str = "ann") -> str:
    """Resolve the case of a decision, so many hours after noon."""
    ruling = Ruling(outcome=ALLOW if allow else TAKEDOWN, holder=reviewer, reviewer=reviewer, time=NOON + hours * HOUR)
    return store.resolve_case(f"c-{decision_id}", ruling).resolution_id


def at(decision_id: str, verdict: str, *, day: int) -> DecisionRecord:
    """Make a decision about the one listing, so many days after noon."""
    return replace(a_decision(decision_id, listing="l", verdict=verdict), create_time=NOON + day * DAY)


def screen(store: Store, decision_id: str, verdict: str, *, day: int) -> None:
    """Decide on the one listing, with a case unless it is allowed."""
    record = at(decision_id, verdict, day=day)
    store.record_decision(record, case=None if verdict == "ALLOW" else a_case(record))


def report(store: Store, report_id: str, decision_id: str, *, hours: int) -> None:
    """Report the listing of a decision, so many hours after noon."""
    case = a_case(store.get_decision(decision_id), case_id=f"c-{report_id}")
    made = replace(a_report(report_id, case), create_time=NOON + hours * HOUR)
    store.add_report(made, case=case, case_weight=99)


def appealed(store: Store, decision_id: str, *, allow: bool, hours: int) -> str:
    """Appeal against a decision and decide that, so many hours after noon; name the resolution."""
    case = store.get_case(f"c-{decision_id}")
    store.add_appeal(replace(an_appeal(case), create_time=NOON + hours * HOUR), case=case)
    return resolve(store, decision_id, allow=allow, hours=hours, reviewer="ben")


class EvidenceContract(StoreSuite):
    """What every database must do."""

    def test_packages_are_a_log_that_outlives_their_files(self, store: Store) -> None:
        """A package is read back, its file is in use until its time is over, and its record stays after that."""
        decide(store, "d")
        revision = store.get_case("c-d").revision
        second = replace(PACKAGE, package_id="p2", digest="bb" * 32, file_sha256="bb" * 32, previous_digest="aa" * 32)
        store.add_package(PACKAGE, revision=revision)
        store.add_package(replace(second, retain_until=NOON + timedelta(days=20)), revision=revision)

        early, late = (store.let_packages_go(NOON + timedelta(days=days)) for days in (10, 11))

        assert (early, late) == (0, 1)
        assert store.named_blobs(["aa" * 32, "bb" * 32]) == {"bb" * 32}
        assert [one.package_id for one in store.case_packages("c-d")] == ["p1", "p2"]
        assert store.get_package("p1") == replace(PACKAGE, file_sha256="")
        with pytest.raises(NotFound):
            store.get_package("p3")

    def test_a_package_of_another_state_is_refused(self, store: Store) -> None:
        """A case that changed, or another package of the same listing for the same audience, leaves nothing behind."""
        decide(store, "d")
        revision = store.get_case("c-d").revision
        store.add_package(PACKAGE, revision=revision)

        with pytest.raises(Conflict):
            store.add_package(replace(PACKAGE, package_id="p2"), revision=revision)
        with pytest.raises(Conflict):
            store.add_package(replace(PACKAGE, package_id="p2", previous_digest="aa" * 32), revision=revision + 1)
        of_counsel = replace(PACKAGE, package_id="p2", audience=Audience.PLATFORM_COUNSEL)
        store.add_package(of_counsel, revision=revision)

        last = store.last_package("l-d", Audience.PLATFORM_COUNSEL)
        assert (last, len(store.case_packages("c-d"))) == (of_counsel, 2)
        assert store.last_package("l-d", Audience.AUTHORITY) is None

    def test_steps_are_kept_in_order_and_forward_the_appeal(self, store: Store) -> None:
        """A counter-statement needs an appeal, which is FORWARDED then; the same request records one step."""
        decide(store, "d", verdict="TAKEDOWN")
        with pytest.raises(Conflict):
            store.add_legal_step(STEP)
        store.add_appeal(APPEAL, case=a_case(a_decision("d")))
        before = store.get_case("c-d").revision
        request = RequestKey(scope="x", request_id="1", request_sha256="00" * 32)

        first = store.add_legal_step(STEP, request=request)
        again = store.add_legal_step(replace(STEP, step_id="s2"), request=request)
        store.add_legal_step(replace(STEP, step_id="s3", kind=LegalStepKind.COMPLAINT_FILED))

        assert first == again == STEP
        assert [one.step_id for one in store.case_steps("c-d")] == ["s1", "s3"]
        assert store.case_appeals("c-d")[0].state is AppealState.FORWARDED
        assert store.get_case("c-d").revision == before + 2
        history = store.listing_history("l-d")
        assert [len(part) for part in (history.decisions, history.appeals, history.steps)] == [1, 1, 2]

    def test_takedowns_of_a_time_are_those_that_restrict_anew(self, store: Store) -> None:
        """A machine's and a person's count, once each; a confirmation, and what lies outside the time, do not."""
        decide(store, "machine", verdict="TAKEDOWN")
        resolve(store, "machine", hours=1)
        decide(store, "person")
        undone = resolve(store, "person", hours=2)
        store.undo_resolution(undone, reason="wrong", time=NOON + 3 * HOUR)
        decide(store, "freed", verdict="TAKEDOWN", hours=4)
        resolve(store, "freed", allow=True, hours=5)
        decide(store, "allowed")
        resolve(store, "allowed", allow=True, hours=3)
        decide(store, "late", verdict="TAKEDOWN", hours=9)

        pages = [store.takedowns_between(NOON, NOON + 9 * HOUR, limit=1)]
        while (place := pages[-1].next_after) is not None:
            pages.append(store.takedowns_between(NOON, NOON + 9 * HOUR, after=place, limit=1))

        found = [(one.decision.decision_id, one.resolution is None) for page in pages for one in page.takedowns]
        assert found == [("machine", True), ("person", False), ("freed", True)]
        assert len(store.takedowns_between(NOON, NOON + 10 * HOUR, limit=100).takedowns) == 4
        assert store.first_decision_time("l-freed") == NOON + 4 * HOUR

    def test_deciding_anew_on_what_is_down_restricts_nothing_anew(self, store: Store) -> None:
        """A takedown of what is down goes on; one of what any other verdict had lifted, or of another, begins."""
        screen(store, "first", "TAKEDOWN", day=0)
        screen(store, "again", "TAKEDOWN", day=1)
        screen(store, "allowed", "ALLOW", day=2)
        screen(store, "anew", "TAKEDOWN", day=3)
        screen(store, "looked at", "REVIEW", day=4)
        resolve(store, "looked at", hours=4 * 24 + 1)
        screen(store, "still", "TAKEDOWN", day=5)
        decide(store, "another", verdict="TAKEDOWN", hours=6 * 24)

        found = store.takedowns_between(NOON, NOON + 9 * DAY, limit=100).takedowns

        names = ["first", "anew", "looked at", "another"]
        assert [one.decision.decision_id for one in found] == names
        since = [store.restriction_under(name).since for name in ("again", "still")]  # type: ignore[union-attr]
        assert since == [NOON, NOON + 4 * DAY + HOUR]
        assert store.restriction_under("allowed") is None

    def test_a_verdict_on_what_was_outgrown_restricts_nothing(self, store: Store) -> None:
        """A listing that was decided anew stays as it is when an audit of the old decision takes it down."""
        record = at("old", "ALLOW", day=0)
        store.record_decision(record, case=replace(a_case(record), origin=CaseOrigin.AUDIT))
        screen(store, "new", "ALLOW", day=1)

        resolve(store, "old", hours=48)

        assert store.takedowns_between(NOON, NOON + 9 * DAY, limit=100).takedowns == ()

    def test_a_restriction_begins_once(self, store: Store) -> None:
        """Confirmed, appealed against in vain, lifted by mistake: it is in force since the first time.

        Its steps are those of all its decisions. While it is lifted it is none.
        """
        screen(store, "first", "TAKEDOWN", day=0)
        store.add_legal_step(replace(STEP, case_id="c-first", decision_id="first", kind=LegalStepKind.STATEMENT_SENT))
        resolve(store, "first", hours=24)
        mistake = appealed(store, "first", allow=True, hours=48)
        lifted = store.restriction_under("first")
        store.undo_resolution(mistake, reason="mistake", time=NOON + 3 * DAY)
        resolve(store, "first", hours=4 * 24, reviewer="eve")
        screen(store, "again", "TAKEDOWN", day=5)

        one, both = (store.restriction_under(name) for name in ("first", "again"))

        assert lifted is None
        assert one == both
        assert one is not None
        assert (one.since, [step.kind for step in one.steps]) == (NOON, [LegalStepKind.STATEMENT_SENT])
        assert store.verdict_in_force("first").since == NOON

    def test_what_led_to_a_takedown_stays(self, store: Store) -> None:
        """A notice upon which a listing went down led to that, even when an appeal declines it later.

        One that was declined before, and what came later, did not.
        """
        screen(store, "first", "REVIEW", day=0)
        report(store, "early", "first", hours=1)
        resolve(store, "first", allow=True, hours=2)
        screen(store, "second", "REVIEW", day=1)
        report(store, "notice", "second", hours=25)
        resolve(store, "second", hours=26)
        report(store, "late", "second", hours=27)
        before = store.reports_behind("l", NOON + 26 * HOUR)

        appealed(store, "second", allow=True, hours=48)

        after = store.reports_behind("l", NOON + 26 * HOUR)
        assert [one.report_id for one in before] == [one.report_id for one in after] == ["notice"]
        assert store.get_report("notice").state is ReportState.DECLINED


class TestSQLite(OnSqlite, EvidenceContract):
    """SQLite, the embedded default."""


class TestPostgreSQL(OnPostgres, EvidenceContract):
    """PostgreSQL."""
