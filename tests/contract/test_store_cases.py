"""Do cases behave alike on every database? Queue, leases, resolutions, reports, appeals: one suite, one class each."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.case_records import Case, CaseFilter, CaseOrder, CaseOrigin, CaseState, lot_of
from index.decision_records import DecisionRecord, EventKind, ListingImage, RemovalReason
from index.errors import Conflict, DecidedAnew, KeyReused, NotFound, NotPermitted
from index.reports import Report, ReporterType, ReportState
from index.rulings import Appeal, AppealState, Ground, Outcome, RequestKey, Ruling, Statement
from index.store.store import Store
from index.verdicts import VerdictSource
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

NOON = datetime(2025, 9, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PHOTO = ListingImage(sha256="aa" * 32)
STATEMENT = Statement(
    ground=Ground.ILLEGAL_CONTENT,
    ground_reference="Article 9",
    explanation="no consent",
    facts="seams",
    territories=("DE",),
    end_time=NOON + timedelta(days=90),
    right_id="r",
)

TAKEDOWN = Outcome(verdict="TAKEDOWN", reason_code="COUNTERFEIT", note="seams", statement=STATEMENT)
ALLOW = Outcome(verdict="ALLOW", reason_code="GENUINE")
ANYTHING = CaseFilter()
THREADS = 12


def a_decision(decision_id: str, *, listing: str = "", verdict: str = "REVIEW") -> DecisionRecord:
    """Make a decision of the listing of its own name, unless another is given."""
    return DecisionRecord(
        decision_id=decision_id,
        listing_id=listing or f"l-{decision_id}",
        verdict=verdict,
        create_time=NOON,
        payload=b"",
        request_sha256="00" * 32,
        seller_id="s1",
        brand="Acme",
        market="DE",
    )


def a_case(record: DecisionRecord, **changed: object) -> Case:
    """Make a case of a decision."""
    case = Case(
        case_id=f"c-{record.decision_id}",
        decision_id=record.decision_id,
        listing_id=record.listing_id,
        verdict=record.verdict,
        create_time=record.create_time,
        seller_id=record.seller_id,
        market=record.market,
        probability=0.75,
        uncalibrated_probability=0.5,
        certificate_id="certificate",
        expected_harm=1.0,
    )
    return replace(case, **changed)  # type: ignore[arg-type]


def open_case(store: Store, name: str = "d", *, listing: str = "", **changed: object) -> Case:
    """Put a decision on record with a photo and the case that it opens."""
    record = a_decision(name, listing=listing)
    case = a_case(record, **changed)
    store.record_decision(record, case=case, images=[PHOTO])
    return store.get_case(case.case_id)


def ruling(outcome: Outcome, who: str = "ann", *, hours: float = 1, **more: object) -> Ruling:
    """Say what somebody decides without holding the case."""
    time = NOON + hours * HOUR
    return replace(Ruling(outcome=outcome, holder=who, reviewer=f"~{who}", time=time), **more)  # type: ignore[arg-type]


def a_report(report_id: str, case: Case, *, reporter: str = "b1") -> Report:
    """Make a report about a case's listing."""
    return Report(
        report_id=report_id,
        listing_id=case.listing_id,
        seller_id="s1",
        reporter_id=reporter,
        reporter_type=ReporterType.BUYER,
        reason_code="COUNTERFEIT",
        create_time=NOON,
    )


def an_appeal(case: Case, *, appeal_id: str = "a", appellant: str = "s1") -> Appeal:
    """Make an appeal against a case's decision."""
    return Appeal(
        appeal_id=appeal_id,
        decision_id=case.decision_id,
        case_id="",
        appellant_id=appellant,
        statement="It is genuine.",
        document_sha256s=("ab" * 32,),
        create_time=NOON + 2 * HOUR,
        due_time=NOON + 48 * HOUR,
    )


class CaseContract(StoreSuite):
    """What every database must do."""

    def test_orders_and_pages(self, store: Store) -> None:
        """Each order gives every case once, page by page, equal ones included; the total counts all."""
        spread = [("a", 0.2, 3, 9), ("b", 0.9, 1, None), ("c", 0.2, 2, 1), ("d", 0.5, 4, None)]
        for name, harm, hour, due in spread:
            due_time = None if due is None else NOON + due * HOUR
            open_case(store, name, expected_harm=harm, create_time=NOON + hour * HOUR, due_time=due_time)
        expected = {
            CaseOrder.EXPECTED_HARM: "bdca",
            CaseOrder.OLDEST: "bcad",
            CaseOrder.NEWEST: "dacb",
            CaseOrder.DUE: "cabd",
        }

        for order, names in expected.items():
            first = store.list_cases(ANYTHING, order, now=NOON, limit=3)
            rest = store.list_cases(ANYTHING, order, now=NOON, after=first.next_after, limit=3)
            assert "".join(case.decision_id for case in (*first.cases, *rest.cases)) == names, order
            assert (first.total, rest.total, rest.next_after) == (4, 4, None)

    def test_filters(self, store: Store) -> None:
        """Each condition leaves out what it should, alone and with others."""
        open_case(store, "a", brand_ids=("acme", "beta"), reason_codes=("DUPLICATE",), origin=CaseOrigin.AUDIT)
        open_case(store, "b", brand_ids=("beta",), scan_id="scan", seller_id="s2", create_time=NOON + HOUR)
        conditions = {
            CaseFilter(): "ab",
            CaseFilter(brand_ids=("acme",)): "a",
            CaseFilter(brand_ids=("acme", "beta")): "ab",
            CaseFilter(reason_code="DUPLICATE"): "a",
            CaseFilter(origins=(CaseOrigin.AUDIT, CaseOrigin.REPORT)): "a",
            CaseFilter(verdicts=("TAKEDOWN",)): "",
            CaseFilter(verdicts=("REVIEW",), seller_id="s2"): "b",
            CaseFilter(listing_id="l-a"): "a",
            CaseFilter(scan_id="scan"): "b",
            CaseFilter(created_from=NOON + HOUR): "b",
            CaseFilter(created_before=NOON + HOUR): "a",
            CaseFilter(states=(CaseState.CLAIMED,)): "b",
            CaseFilter(states=(CaseState.OPEN,)): "a",
            CaseFilter(states=(CaseState.OPEN, CaseState.CLAIMED, CaseState.RESOLVED)): "ab",
            CaseFilter(states=(CaseState.RESOLVED,)): "",
        }

        assert [case.decision_id for case in store.list_cases(ANYTHING, CaseOrder.OLDEST, now=NOON).cases] == ["a", "b"]
        store.claim_case("c-b", "ann", now=NOON, duration=HOUR)
        for condition, names in conditions.items():
            wanted = condition if condition.states else replace(condition, states=(CaseState.OPEN, CaseState.CLAIMED))
            page = store.list_cases(wanted, CaseOrder.OLDEST, now=NOON)
            assert "".join(case.decision_id for case in page.cases) == names, wanted
            assert page.total == len(names)

    def test_drawn_cases_stand_among_the_others(self, store: Store) -> None:
        """A drawn case takes the place of another, whatever its own harm: about as many in each half of the queue."""
        for number in range(60):
            open_case(store, f"n{number}", expected_harm=1 + number / 60)
        for number in range(60):
            open_case(store, f"d{number}", expected_harm=0.01, drawn=True)

        queue = store.list_cases(ANYTHING, now=NOON, limit=120).cases

        upper = sum(case.drawn for case in queue[:60])
        assert 20 <= upper <= 40
        assert queue == store.list_cases(ANYTHING, now=NOON, limit=120).cases
        assert 0.0 <= lot_of("any") == lot_of("any") < 1.0

    def test_lease_runs_out(self, store: Store) -> None:
        """A case is its holder's until the lease ends; then it is another's, and the first token is worth nothing."""
        case = open_case(store)
        first = store.claim_case(case.case_id, "ann", now=NOON, duration=HOUR)
        with pytest.raises(Conflict, match="Somebody else"):
            store.claim_case(case.case_id, "ben", now=NOON + 0.5 * HOUR, duration=HOUR)

        second = store.claim_case(case.case_id, "ben", now=NOON + 2 * HOUR, duration=HOUR)

        assert first.lease is not None
        assert second.lease is not None
        assert first.lease.token != second.lease.token
        assert (first.revision, second.revision) == (case.revision + 1, case.revision + 2)
        assert second.state_at(NOON + 2 * HOUR) is CaseState.CLAIMED
        assert second.state_at(NOON + 4 * HOUR) is CaseState.OPEN
        with pytest.raises(Conflict, match="has ended"):
            store.resolve_case(case.case_id, ruling(ALLOW, hours=2.5, lease_token=first.lease.token))

    def test_next_is_never_given_twice(self, location: str | Path, store: Store) -> None:
        """Many threads of two stores claim the next case at once: each case goes to one, in the end nothing is left."""
        for number in range(THREADS - 2):
            open_case(store, f"d{number}", expected_harm=float(number))
        with Store.open(location) as other:

            def claim(number: int) -> str:
                who = f"p{number}"
                try:
                    mine = (store, other)[number % 2]
                    return mine.claim_next(ANYTHING, who, reviewer=who, now=NOON, duration=HOUR).decision_id
                except NotFound:
                    return ""

            with ThreadPoolExecutor(THREADS) as pool:
                claimed = list(pool.map(claim, range(THREADS)))

        assert sorted(claimed) == sorted(["", "", *(f"d{number}" for number in range(THREADS - 2))])

    def test_of_many_who_resolve_one_does(self, location: str | Path, store: Store) -> None:
        """Many threads of two stores resolve one case at once: one does, the others learn that it is resolved."""
        case = open_case(store)
        with Store.open(location) as other:

            def resolve(number: int) -> bool:
                try:
                    (store, other)[number % 2].resolve_case(case.case_id, ruling(TAKEDOWN, f"p{number}"))
                except Conflict:
                    return False
                return True

            with ThreadPoolExecutor(THREADS) as pool:
                done = list(pool.map(resolve, range(THREADS)))

        assert done.count(True) == 1
        assert len(store.resolutions_in([case.case_id])[case.case_id]) == 1
        assert [verdict.number for verdict in store.verdicts_after(0)] == [1]
        assert [event.kind for event in store.events_after(0)] == [EventKind.DECIDED, EventKind.RESOLVED]

    def test_same_request_in_many_threads_resolves_once(self, location: str | Path, store: Store) -> None:
        """Of many threads with one idempotency key all get the same resolution; another request's is refused."""
        case = open_case(store)
        key = RequestKey(scope="resolve by ann", request_id="r", request_sha256="00" * 32)
        with Store.open(location) as other:

            def resolve(number: int) -> str:
                mine = (store, other)[number % 2]
                return mine.resolve_case(case.case_id, ruling(ALLOW, request=key)).resolution_id

            with ThreadPoolExecutor(THREADS) as pool:
                made = set(pool.map(resolve, range(THREADS)))

        assert len(made) == 1
        with pytest.raises(KeyReused, match="'r'"):
            store.find_request(replace(key, request_sha256="11" * 32))
        assert store.find_request(replace(key, scope="resolve by ben")) is None

    def test_resolution_comes_back_whole(self, store: Store) -> None:
        """What a person decided comes back as it was given, and followers learn the verdict with its case."""
        case = open_case(store)

        made = store.resolve_case(case.case_id, ruling(TAKEDOWN, batch_id="b"))

        assert made == store.get_resolution(made.resolution_id)
        assert made.outcome == TAKEDOWN.detected(automatically=True)
        assert (made.reviewer, made.batch_id, made.in_force) == ("~ann", "b", True)
        assert store.get_case(case.case_id).state is CaseState.RESOLVED
        assert store.verdict_in_force("d").verdict == "TAKEDOWN"
        event = store.events_after(1)[0]
        assert (event.kind, event.verdict, event.case_id) == (EventKind.RESOLVED, "TAKEDOWN", case.case_id)
        (verdict,) = store.verdicts_after(0)
        assert (verdict.probability, verdict.uncalibrated_probability, verdict.certificate_id) == (
            0.75, 0.5, "certificate",
        )  # fmt: skip

    def test_undoing_puts_everything_back(self, store: Store) -> None:
        """An undone takedown leaves no photo, no removal and no settled report behind, and its verdict is lifted."""
        case = open_case(store)
        report = store.add_report(a_report("r", case), case=a_case(a_decision("d"), case_id="new"), case_weight=9)
        before = store.version()
        made = store.resolve_case(case.case_id, ruling(TAKEDOWN))
        known = list(store.iter_removed_images())

        undone = store.undo_resolution(made.resolution_id, reason="a mistake", time=NOON + 3 * HOUR)
        again = store.undo_resolution(made.resolution_id, reason="again", time=NOON + 4 * HOUR)

        assert report.case_id == case.case_id
        assert [image.listing_id for image in known] == ["l-d"]
        assert (undone.changed, again.changed) == (True, False)
        assert undone.case.state is CaseState.OPEN
        assert list(store.iter_removed_images()) == []
        assert store.version() == before + 2
        assert store.seller_standing("s1", now=NOON).tally.strikes == 0
        assert [one.report_id for one in store.reports_about("l-d")] == ["r"]
        assert [(one.undone, one.infringing) for one in store.verdicts_after(0)] == [(False, True), (True, True)]
        assert store.events_after(2)[0].verdict == "REVIEW"
        assert store.get_resolution(made.resolution_id).undo_reason == "a mistake"

    def test_removal_of_the_marketplace_outlives_an_undoing(self, store: Store) -> None:
        """What the marketplace had said of a listing before a takedown holds again after its undoing."""
        case = open_case(store, origin=CaseOrigin.AUDIT)
        store.remove_listing("l-d", RemovalReason.ENDED_BY_SELLER, NOON, note="sold")
        made = store.resolve_case(case.case_id, ruling(TAKEDOWN))
        assert [image.listing_id for image in store.iter_removed_images()] == ["l-d"]

        store.undo_resolution(made.resolution_id, reason="a mistake", time=NOON + 3 * HOUR)

        again = store.remove_listing("l-d", RemovalReason.ENDED_BY_SELLER, NOON + 5 * HOUR)
        assert (again.reason, again.note, again.remove_time) == (RemovalReason.ENDED_BY_SELLER, "sold", NOON)
        assert list(store.iter_removed_images()) == []

    def test_audit_of_an_outgrown_decision_tells_nobody(self, store: Store) -> None:
        """An audit goes on when its listing is decided anew, and is learnt from; the listing itself it leaves alone."""
        audit = open_case(store, "old", listing="l", origin=CaseOrigin.AUDIT)
        store.record_decision(a_decision("new", listing="l", verdict="ALLOW"), images=[PHOTO])
        head = store.event_head()

        store.resolve_case(audit.case_id, ruling(TAKEDOWN))

        assert store.event_head() == head
        assert list(store.iter_removed_images()) == []
        assert [verdict.source for verdict in store.verdicts_after(0)] == [VerdictSource.AUDIT]

    def test_a_case_that_is_left_out_is_not_given(self, store: Store) -> None:
        """Who passed a case over gets another one, and none when there is no other; lists leave it out alike."""
        case = open_case(store)
        passed = CaseFilter(except_ids=(case.case_id,))

        assert store.list_cases(CaseFilter(except_ids=("other",)), now=NOON).total == 1
        assert store.list_cases(passed, now=NOON).total == 0
        with pytest.raises(NotFound):
            store.claim_next(passed, "ann", reviewer="~ann", now=NOON, duration=HOUR)

    def test_cases_are_listed_by_who_holds_them(self, store: Store) -> None:
        """Only while the lease runs; somebody else's are left out, and no case has nobody for its holder."""
        open_case(store)
        store.claim_next(CaseFilter(), "ann", reviewer="~ann", now=NOON, duration=HOUR)

        def held(holder: str, now: datetime) -> int:
            return store.list_cases(CaseFilter(states=(CaseState.CLAIMED,), holder=holder), now=now).total

        assert held("ann", NOON) == 1
        assert (held("ben", NOON), held("ann", NOON + HOUR)) == (0, 0)
        assert store.list_cases(CaseFilter(holder="ann"), now=NOON + HOUR).total == 0

    def test_second_review(self, store: Store) -> None:
        """A grave takedown has no effect until another person confirms it, under the first one's id."""
        case = open_case(store, expected_harm=5.0)
        first = store.resolve_case(case.case_id, ruling(TAKEDOWN, second_review_harm=5.0))
        assert (first.in_force, store.verdict_in_force("d").verdict, store.event_head()) == (False, "REVIEW", 1)
        assert store.get_case(case.case_id).state is CaseState.SECOND_REVIEW
        with pytest.raises(NotPermitted, match="another person"):
            store.resolve_case(case.case_id, ruling(TAKEDOWN, second_review_harm=5.0))
        with pytest.raises(NotFound):
            store.claim_next(ANYTHING, "ann", reviewer="~ann", now=NOON, duration=HOUR)

        second = store.resolve_case(case.case_id, ruling(TAKEDOWN, "ben", hours=2, second_review_harm=5.0))

        assert second.resolution_id == first.resolution_id
        assert (second.reviewer, second.second_reviewer, second.in_force) == ("~ann", "~ben", True)
        assert store.verdict_in_force("d").since == NOON + 2 * HOUR
        undone = store.undo_resolution(first.resolution_id, reason="both wrong", time=NOON + 3 * HOUR)
        assert undone.case.state is CaseState.OPEN

    def test_first_review_can_be_taken_back(self, store: Store) -> None:
        """Undoing a takedown that still waits for a second person opens the case again and tells nobody."""
        case = open_case(store)
        first = store.resolve_case(case.case_id, ruling(TAKEDOWN, second_review_harm=0.5))

        undone = store.undo_resolution(first.resolution_id, reason="not sure", time=NOON + 2 * HOUR)

        assert undone.case.state is CaseState.OPEN
        assert (store.event_head(), store.verdict_head()) == (1, 0)

    def test_new_decision_carries_on_what_people_said(self, store: Store) -> None:
        """A decision that opens no case opens one all the same while a report or a first review waits."""
        case = open_case(store, "d1", listing="l")
        store.resolve_case(case.case_id, ruling(TAKEDOWN, second_review_harm=0.5))
        store.add_report(a_report("r", case), case=a_case(a_decision("d1", listing="l")), case_weight=9)
        newer = a_decision("d2", listing="l", verdict="ALLOW")
        quiet = a_decision("d3", listing="other", verdict="ALLOW")

        store.record_decision(newer, carried=a_case(newer))
        store.record_decision(quiet, carried=a_case(quiet))

        assert store.get_case(case.case_id).state is CaseState.SUPERSEDED
        assert store.get_case("c-d2").origin is CaseOrigin.REPORT
        assert [one.case_id for one in store.listing_reports("l")] == ["c-d2"]
        assert [event.case_id for event in store.events_after(0)] == [case.case_id, "c-d2", ""]
        with pytest.raises(NotFound):
            store.get_case("c-d3")

    def test_reports_open_a_case_when_they_weigh_enough(self, store: Store) -> None:
        """Each reporter counts once with their reliability; the case that opens takes in all that wait."""
        record = a_decision("d", verdict="ALLOW")
        store.record_decision(record)
        candidate = a_case(record, origin=CaseOrigin.REPORT)

        opened = [
            store.add_report(a_report(name, candidate, reporter=who), case=candidate, case_weight=1.0).case_id
            for name, who in (("r1", "b1"), ("r2", "b1"), ("r3", "b2"))
        ]

        assert opened == ["", "", "c-d"]
        assert {report.case_id for report in store.listing_reports("l-d")} == {"c-d"}
        store.resolve_case("c-d", ruling(TAKEDOWN))
        assert {report.state for report in store.listing_reports("l-d")} == {ReportState.UPHELD}
        assert store.reports_about_seller("s1") == 2
        assert store.report_times("b1", since=NOON) == (NOON, NOON)

    def test_a_report_is_about_what_holds_now(self, store: Store) -> None:
        """A report joins no case of a decision that the listing has outgrown: a takedown there would change nothing."""
        audit = open_case(store, "d1", listing="l", origin=CaseOrigin.AUDIT)
        record = a_decision("d2", listing="l", verdict="ALLOW")
        store.record_decision(record)
        candidate = a_case(record, origin=CaseOrigin.REPORT)

        with pytest.raises(DecidedAnew):
            store.add_report(a_report("r1", audit), case=a_case(a_decision("d1", listing="l")), case_weight=0)
        report = store.add_report(a_report("r2", audit), case=candidate, case_weight=0)

        assert report.case_id == "c-d2"
        assert [one.report_id for one in store.listing_reports("l")] == ["r2"]

    def test_many_reports_stay_readable(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many report a listing, a screening weighs the newest, and a case shows those that say most."""
        case = open_case(store)
        for number in range(4):
            report = replace(a_report(f"r{number}", case, reporter=f"b{number}"), create_time=NOON + number * HOUR)
            kind = ReporterType.AUTHORITY if number == 1 else ReporterType.BUYER
            store.add_report(replace(report, reporter_type=kind), case=case, case_weight=9)
        monkeypatch.setattr("index.store.reports.MOST_WEIGHED", 3)

        assert [report.report_id for report in store.reports_about("l-d")] == ["r1", "r2", "r3"]
        assert [report.report_id for report in store.listing_reports("l-d", limit=2)] == ["r1", "r3"]

    def test_an_error_quotes_no_row(self, store: Store) -> None:
        """What breaks a rule of the store is not repeated in the message, for it may be personal."""
        case = open_case(store)
        report = replace(a_report("r", case), text="I live in Elm Street")
        store.add_report(report, case=case, case_weight=9)

        with pytest.raises(Conflict) as raised:
            store.add_report(report, case=case, case_weight=9)

        assert len(str(raised.value).splitlines()) == 1
        assert "Elm Street" not in str(raised.value)

    def test_a_key_of_another_request_is_told_from_other_conflicts(self, store: Store) -> None:
        """An idempotency key that comes with another request is KeyReused; a decision's own id taken is not."""
        store.record_decision(replace(a_decision("d1"), idempotency_key="k"))

        with pytest.raises(KeyReused):
            store.record_decision(replace(a_decision("d2"), idempotency_key="k", request_sha256="11" * 32))
        with pytest.raises(Conflict) as taken:
            store.record_decision(a_decision("d1"))
        assert not isinstance(taken.value, KeyReused)

    def test_a_listing_decided_by_many_at_once(self, location: str | Path, store: Store) -> None:
        """All decisions on a new listing are recorded; one case stays open, and its seller has one listing."""
        with Store.open(location) as other:

            def decide(number: int) -> None:
                record = a_decision(f"d{number}", listing="l")
                (store, other)[number % 2].record_decision(record, case=a_case(record))

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(decide, range(THREADS)))

        newest = store.latest_decision("l")
        assert newest is not None
        assert [case.decision_id for case in store.list_cases(ANYTHING, now=NOON).cases] == [newest.decision_id]
        assert [tally.decisions for _, tally in store.iter_tallies(now=NOON)] == [1]

    def test_everything_happens_to_a_listing_at_once(self, location: str | Path, store: Store) -> None:
        """Screening, resolving, removing and reporting one listing wait for each other, but never for ever."""
        open_case(store, "first", listing="l")

        def decide(mine: Store, number: int) -> None:
            record = a_decision(f"d{number}", listing="l")
            mine.record_decision(record, case=a_case(record))

        def resolve(mine: Store, number: int) -> None:
            for case in mine.list_cases(ANYTHING, now=NOON).cases:
                mine.resolve_case(case.case_id, ruling((ALLOW, TAKEDOWN)[number % 2]))

        def remove(mine: Store, number: int) -> None:
            mine.remove_listing("l", (RemovalReason.COUNTERFEIT, RemovalReason.ENDED_BY_SELLER)[number % 2], NOON)

        def report(mine: Store, number: int) -> None:
            record = mine.latest_decision("l")
            assert record is not None
            candidate = a_case(record, case_id=f"r{number}", origin=CaseOrigin.REPORT)
            mine.add_report(a_report(f"r{number}", candidate, reporter=f"b{number}"), case=candidate, case_weight=0)

        with Store.open(location) as other:

            def run(number: int) -> None:
                act = (decide, resolve, remove, report)[number % 4]
                with contextlib.suppress(Conflict):  # somebody was quicker; a deadlock would be another error
                    act((store, other)[number // 4 % 2], number // 4)

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(run, range(8 * THREADS)))

        ((_, tally),) = store.iter_tallies(now=NOON)
        assert tally.decisions == 1
        assert tally.strikes in (0, 1)
        newest = store.latest_decision("l")
        assert newest is not None
        waiting = store.list_cases(ANYTHING, now=NOON).cases
        assert {case.decision_id for case in waiting} <= {newest.decision_id}

    def test_many_reports_at_once_open_one_case(self, location: str | Path, store: Store) -> None:
        """Reporters of two stores who report together all end in one case."""
        record = a_decision("d", verdict="ALLOW")
        store.record_decision(record)
        with Store.open(location) as other:

            def report(number: int) -> None:
                candidate = a_case(record, case_id=f"c{number}", origin=CaseOrigin.REPORT)
                mine = (store, other)[number % 2]
                mine.add_report(a_report(f"r{number}", candidate, reporter=f"b{number}"), case=candidate, case_weight=1)

            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(report, range(THREADS)))

        page = store.list_cases(ANYTHING, now=NOON)
        assert page.total == 1
        assert {one.case_id for one in store.listing_reports("l-d")} == {page.cases[0].case_id}

    def test_appeal(self, store: Store) -> None:
        """An appeal is decided by another person; undone, it waits again and the earlier verdict holds."""
        case = open_case(store)
        first = store.resolve_case(case.case_id, ruling(TAKEDOWN))
        appeal = store.add_appeal(an_appeal(case), case=a_case(a_decision("d"), case_id="unused"))
        assert store.add_appeal(an_appeal(case, appeal_id="b"), case=case) == appeal
        with pytest.raises(Conflict, match="already"):
            store.add_appeal(an_appeal(case, appeal_id="b", appellant="s2"), case=case)
        with pytest.raises(Conflict, match="appeal"):
            store.undo_resolution(first.resolution_id, reason="no", time=NOON)
        with pytest.raises(NotPermitted):
            store.resolve_case(case.case_id, ruling(ALLOW, hours=3))

        granted = store.resolve_case(case.case_id, ruling(ALLOW, "ben", hours=3))
        (decided,) = store.case_appeals(case.case_id)
        undone = store.undo_resolution(granted.resolution_id, reason="no", time=NOON + 4 * HOUR)

        assert appeal.case_id == case.case_id
        assert (decided.state, decided.reviewer, granted.appeal_id) == (AppealState.GRANTED, "~ben", "a")
        assert undone.case.state is CaseState.APPEALED
        assert store.appeals_against("d") == (appeal,)
        assert store.verdict_in_force("d").verdict == "TAKEDOWN"
        assert [image.listing_id for image in store.iter_removed_images()] == ["l-d"]
        assert [(one.source, one.infringing, one.undone) for one in store.verdicts_after(0)] == [
            (VerdictSource.REVIEW, True, False),
            (VerdictSource.APPEAL, False, False),
            (VerdictSource.APPEAL, False, True),
            (VerdictSource.REVIEW, True, False),
        ]
        assert [event.kind for event in store.events_after(1)] == [
            EventKind.RESOLVED, EventKind.APPEAL_DECIDED, EventKind.UNDONE,
        ]  # fmt: skip

    def test_batch_is_undone_from_its_end(self, store: Store) -> None:
        """A batch remembers its cases and what became of each; what rests on one of them keeps all from undoing."""
        for name in ("a", "b"):
            open_case(store, name)
        batch = store.start_batch("batch", ["c-a", "c-b", "gone"], time=NOON)
        for case_id in ("c-a", "c-b"):
            store.resolve_case(case_id, ruling(TAKEDOWN, batch_id="batch"))
        store.note_batch_error("batch", "gone", b"why")
        store.add_appeal(an_appeal(store.get_case("c-a")), case=store.get_case("c-a"))

        items = store.get_batch("batch").items
        with pytest.raises(Conflict, match="appeal"):
            store.check_batch_can_be_undone("batch")

        assert [item.resolution_id for item in batch.items] == ["", "", ""]
        assert [(item.case_id, bool(item.resolution_id), item.error) for item in items] == [
            ("c-a", True, b""), ("c-b", True, b""), ("gone", False, b"why"),
        ]  # fmt: skip
        with pytest.raises(NotFound):
            store.get_batch("no such batch")

    def test_secret_stays_the_same(self, location: str | Path, store: Store) -> None:
        """A secret is made once, also when many ask for it first, and differs by name."""
        with Store.open(location) as other, ThreadPoolExecutor(THREADS) as pool:
            made = set(pool.map(lambda number: (store, other)[number % 2].secret("pseudonyms"), range(THREADS)))

        assert len(made) == 1
        assert len(made.pop()) == 32
        assert store.secret("pseudonyms") != store.secret("other")


class TestSqliteCases(OnSqlite, CaseContract):
    """The embedded default."""


class TestPostgresCases(OnPostgres, CaseContract):
    """The database of an installation with several replicas."""
