"""Do checks with gold cases behave alike on every database? Marks, leases, answers, and that no count has one in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from index.case_records import Case, CaseFilter, CaseOrder, CaseState
from index.check_records import Disguise, Gold
from index.decision_records import DecisionRecord
from index.errors import Conflict, KeyReused, NotFound
from index.insight import Span
from index.photos import Photo, PhotoOwner, PhotoState
from index.rulings import Outcome, RequestKey
from index.store.store import Store
from index.store.tables import metadata
from tests.contract.test_store_cases import (
    ALLOW,
    ANYTHING,
    HOUR,
    NOON,
    TAKEDOWN,
    a_report,
    an_appeal,
    open_case,
    ruling,
)
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

DAY = timedelta(days=1)
LATER = NOON + DAY
ALWAYS = Span(NOON - 365 * DAY, NOON + 365 * DAY)
# Of checks alone: every other table must stay as it is.
OWN_TABLES = {"checks", "check_answers", "case_requests"}


def gold_case(store: Store, name: str, outcome: Outcome = TAKEDOWN, **changed: object) -> Gold:
    """Put a decision on record that ann resolved, and whose case lea marked."""
    case = open_case(store, name, **changed)  # type: ignore[arg-type]
    store.resolve_case(case.case_id, ruling(outcome, "ann"))
    return store.mark_gold(case.case_id, note="the seams", marked_by="~lea", time=NOON + 2 * HOUR)


def draw(store: Store, who: str = "ben", wanted: CaseFilter = ANYTHING, *, at: float = 0.0) -> str | None:
    """Draw a gold case for somebody, and name it."""
    gold = store.draw_gold(wanted, reviewer=f"~{who}", now=LATER, chance=lambda: at)
    return None if gold is None else gold.case_id


def hand_out(store: Store, gold: Gold, who: str = "ben", *, name: str = "k", key: float = 5.0) -> Case:
    """Check somebody with a gold case, a day later."""
    disguise = Disguise(
        check_id=name, decision_id=f"d-{name}", payload=b"shown", create_time=LATER - HOUR,
        expected_harm=key, drawn=False, queue_key=key,
    )  # fmt: skip
    assert store.hand_out_check(gold, disguise, who, reviewer=f"~{who}", now=LATER, duration=HOUR)
    return shown(store, name)


def shown(store: Store, check_id: str = "k") -> Case:
    """Read a check as it is shown."""
    check = store.find_check(check_id=check_id)
    assert check is not None
    return check.case


def token(case: Case) -> str:
    """Return the token of the lease on a case."""
    assert case.lease is not None
    return case.lease.token


def answer(store: Store, check: Case, outcome: Outcome = ALLOW, who: str = "ben", **more: Any) -> str:
    """Answer a check half an hour after it was handed out, and name the answer."""
    told = ruling(outcome, who, hours=24.5, lease_token=token(check), **more)
    return store.answer_check(check.case_id, told).resolution_id


def undo(store: Store, resolution_id: str, who: str = "ben", *, told_before: datetime = NOON) -> bool:
    """Withdraw an answer."""
    asked = {"reason": "slip", "time": LATER + HOUR, "reviewer": f"~{who}", "told_before": told_before}
    return store.undo_check_answer(resolution_id, **asked).changed  # type: ignore[arg-type]


def listed(store: Store, who: str, wanted: CaseFilter = ANYTHING, *, told_before: datetime = NOON, **more: Any) -> str:
    """Name the cases of somebody's list."""
    beside = store.checks_beside(f"~{who}", wanted, now=LATER, told_before=told_before)
    page = store.list_cases(wanted, now=LATER, beside=beside, **more)
    assert page.next_after is not None or more or page.total == len(page.cases)
    return " ".join(case.case_id for case in page.cases)


def rows(store: Store) -> dict[str, list[Any]]:
    """Read every table but those of checks."""
    with store._database.read("compare") as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table)).all()))
            for table in metadata.sorted_tables
            if table.name not in OWN_TABLES
        }


class CheckContract(StoreSuite):
    """What every database must do."""

    def test_a_mark_is_of_a_resolved_case(self, store: Store) -> None:
        """It says what is in force; marking again replaces the note, unmarking takes it away."""
        with pytest.raises(Conflict, match="only a resolved one"):
            store.mark_gold(open_case(store, "open").case_id, note="n", marked_by="~lea", time=NOON)
        with pytest.raises(NotFound):
            store.mark_gold("no-such", note="n", marked_by="~lea", time=NOON)
        gold = gold_case(store, "a")
        again = store.mark_gold(gold.case_id, note="better", marked_by="~lou", time=NOON + 3 * HOUR)

        assert (gold.verdict, gold.note, gold.marked_by) == ("TAKEDOWN", "the seams", "~lea")
        assert store.find_gold(gold.case_id) == again
        assert store.unmark_gold(gold.case_id, time=LATER)
        assert not store.unmark_gold(gold.case_id, time=LATER)
        assert store.find_gold(gold.case_id) is None

    def test_gold_cases_are_listed_with_what_people_answered(self, store: Store) -> None:
        """Those marked last first, page by page; answers that were withdrawn do not count."""
        golds = [gold_case(store, name) for name in "abc"]
        for who, outcome in (("ben", ALLOW), ("eve", TAKEDOWN), ("max", TAKEDOWN)):
            made = answer(store, hand_out(store, golds[0], who, name=who), outcome, who)
        assert undo(store, made, "max")

        first = store.list_gold(limit=2)
        rest = store.list_gold(after=first.next_after, limit=2)

        assert [one.case.case_id for one in (*first.golds, *rest.golds)] == ["c-c", "c-b", "c-a"]
        assert rest.next_after is None
        assert [(one.answers, one.agreed) for one in (*first.golds, *rest.golds)] == [(0, 0), (0, 0), (2, 1)]

    def test_who_could_know_the_answer_is_not_checked(self, store: Store) -> None:
        """Not who decided on the listing, marked the case, or had it as a check before."""
        gold = gold_case(store, "a")

        assert [draw(store, who) for who in ("ann", "lea", "ben")] == [None, None, gold.case_id]
        hand_out(store, gold)
        assert [draw(store, who) for who in ("ben", "eve")] == [None, gold.case_id]
        assert not store.hand_out_check(
            gold, replace(_disguise("other"), decision_id="d2"), "ben", reviewer="~ben", now=LATER, duration=HOUR
        )
        other = open_case(store, "other", listing="l-a")
        store.resolve_case(other.case_id, ruling(ALLOW, "eve", hours=3))
        assert draw(store, "eve") is None

    def test_what_is_not_sure_any_more_is_not_drawn(self, store: Store) -> None:
        """Not while an appeal waits, not once another verdict is in force, and not when it is unmarked."""
        gold = gold_case(store, "a")
        case = store.get_case(gold.case_id)

        store.add_appeal(an_appeal(case), case=case)
        appealed = draw(store)
        store.resolve_case(gold.case_id, ruling(ALLOW, "eve", hours=4))
        granted = draw(store)
        store.mark_gold(gold.case_id, note="granted", marked_by="~lea", time=LATER)
        anew = draw(store)
        store.unmark_gold(gold.case_id, time=LATER)

        assert (appealed, granted, anew, draw(store)) == (None, None, gold.case_id, None)

    def test_what_would_give_itself_away_is_not_drawn(self, store: Store) -> None:
        """Not a listing that waits in the queue, and not a case whose photos are gone or whose reports brought some."""
        for name in "abcd":
            gold_case(store, name)
        open_case(store, "a2", listing="l-a")
        store.add_photos([_photo("b", PhotoState.EXPIRED), _photo("d", PhotoState.KEPT)])
        store.add_photos([replace(_photo("c", PhotoState.KEPT), owner=PhotoOwner.REPORT, owner_id="p")])

        assert {draw(store, at=number / 8) for number in range(8)} == {"c-d"}

    def test_a_draw_fits_what_is_asked_for_and_takes_each_in_turn(self, store: Store) -> None:
        """The filter of the claim holds for checks; times and exceptions are those of the disguise."""
        gold_case(store, "a", seller_id="s7")
        gold_case(store, "b", brand_ids=("acme",))

        assert draw(store, wanted=CaseFilter(seller_id="s7")) == "c-a"
        assert draw(store, wanted=CaseFilter(brand_ids=("acme",), created_from=LATER)) == "c-b"
        assert draw(store, wanted=CaseFilter(seller_id="none")) is None
        assert [draw(store, at=number) for number in (0.0, 0.49, 0.51, 1.0)] == ["c-a", "c-a", "c-b", "c-b"]

    def test_a_check_looks_like_a_new_case(self, store: Store) -> None:
        """Everything of the gold case, but ids, times and place; nothing says that it was resolved."""
        gold = gold_case(store, "a", due_time=NOON + 3 * HOUR, brand_ids=("acme",))
        check = hand_out(store, gold)
        real = store.get_case(gold.case_id)

        moved = LATER - HOUR - NOON
        assert check.lease is not None
        assert (check.state_at(LATER), check.lease.holder, check.revision) == (CaseState.CLAIMED, "ben", 1)
        kept = {"listing_id", "verdict", "origin", "scan_id", "seller_id", "market", "brand", "brand_ids"}
        kept |= {"reason_codes", "probability", "uncalibrated_probability", "certificate_id", "audit_share"}
        assert all(getattr(check, name) == getattr(real, name) for name in kept)
        assert (check.case_id, check.decision_id) == ("k", "d-k")
        assert (check.create_time, check.due_time) == (real.create_time + moved, NOON + 3 * HOUR + moved)
        found = store.find_check(decision_id="d-k")
        assert found is not None
        decided: DecisionRecord = found.decision
        assert (decided.decision_id, decided.create_time, decided.payload) == ("d-k", NOON + moved, b"shown")

    def test_its_lease_is_as_others_are(self, store: Store) -> None:
        """Renewed by its holder, let go, run out and claimed again; while it runs nobody else has it."""
        hand_out(store, gold_case(store, "a"))
        first = shown(store)

        renewed = store.claim_check("k", "ben", reviewer="~ben", now=LATER + 0.5 * HOUR, duration=HOUR)
        with pytest.raises(Conflict, match="Somebody else holds"):
            store.claim_check("k", "eve", reviewer="~eve", now=LATER + HOUR, duration=HOUR)
        with pytest.raises(Conflict, match="only its holder"):
            store.release_check("k", "eve", now=LATER + HOUR)
        free = store.release_check("k", "ben", now=LATER + HOUR)
        again = store.claim_check("k", "ben", reviewer="~ben", now=LATER + HOUR, duration=HOUR)

        assert (token(renewed), renewed.revision) == (token(first), first.revision + 1)
        assert (free.state_at(LATER + HOUR), again.lease_at(LATER + 3 * HOUR)) == (CaseState.OPEN, None)
        with pytest.raises(Conflict, match="has ended"):
            answer(store, first)
        with pytest.raises(NotFound):
            store.claim_check("no-such", "ben", reviewer="~ben", now=LATER, duration=HOUR)

    def test_a_check_that_another_person_claims_is_over(self, store: Store) -> None:
        """Nobody answers another person's check: it looks overtaken, to both."""
        hand_out(store, gold_case(store, "a"))
        store.release_check("k", "ben", now=LATER)

        for who in ("eve", "ben"):
            with pytest.raises(Conflict, match="is superseded; nothing is left"):
                store.claim_check("k", who, reviewer=f"~{who}", now=LATER, duration=HOUR)
        assert shown(store).state is CaseState.SUPERSEDED

    def test_nothing_but_the_check_changes(self, store: Store) -> None:
        """Handed out, let go, claimed, answered, withdrawn and answered again: every other table is as it was."""
        gold = gold_case(store, "a")
        open_case(store, "b")
        before = rows(store)

        check = hand_out(store, gold)
        store.release_check("k", "ben", now=LATER)
        check = store.claim_check("k", "ben", reviewer="~ben", now=LATER, duration=HOUR)
        assert undo(store, answer(store, check, TAKEDOWN))
        check = store.claim_check("k", "ben", reviewer="~ben", now=LATER, duration=HOUR)
        answer(store, check, ALLOW)

        assert rows(store) == before
        assert (shown(store).state, shown(store).lease) == (CaseState.RESOLVED, None)

    def test_a_takedown_of_high_impact_seems_to_wait_for_a_second_person(self, store: Store) -> None:
        """As it would in a case; to allow it never does."""
        check = hand_out(store, gold_case(store, "a"), key=9.0)

        made = answer(store, check, TAKEDOWN, second_review_harm=8.0)

        assert shown(store).state is CaseState.SECOND_REVIEW
        (told,) = store.check_answers_in(["k"])["k"]
        assert (told.resolution_id, told.in_force) == (made, False)
        assert told.outcome == TAKEDOWN.detected(automatically=True)

    def test_the_same_request_answers_once(self, store: Store) -> None:
        """A second one with its key returns the first answer; the key of another request is refused."""
        check = hand_out(store, gold_case(store, "a"))
        request = RequestKey(scope="ResolveCase ben", request_id="r", request_sha256="aa" * 32)

        made = answer(store, check, request=request)

        assert answer(store, check, request=request) == made
        with pytest.raises(KeyReused):
            answer(store, check, request=replace(request, request_sha256="bb" * 32))
        with pytest.raises(Conflict, match="resolved already"):
            answer(store, check)

    def test_a_stale_reader_answers_nothing(self, store: Store) -> None:
        """An etag of before a change is refused, as in a case."""
        check = hand_out(store, gold_case(store, "a"))

        with pytest.raises(Conflict, match="was changed since"):
            answer(store, check, revision=check.revision - 1)

    def test_a_withdrawn_answer_does_not_count(self, store: Store) -> None:
        """It stays on record as undone, the check waits again, and the answer after it counts."""
        check = hand_out(store, gold_case(store, "a"))

        first = answer(store, check, ALLOW)
        assert undo(store, first)
        assert not undo(store, first)
        assert store.checked("~ben", ALWAYS, told_before=LATER + DAY).agreed.count == 0
        again = store.claim_check("k", "ben", reviewer="~ben", now=LATER, duration=HOUR)
        answer(store, again, TAKEDOWN)

        checked = store.checked("~ben", ALWAYS, told_before=LATER + DAY)
        assert (checked.agreed.hits, checked.agreed.count) == (1, 1)
        stands = [(one.stands, one.undo_reason) for one in store.check_answers_in(["k"])["k"]]
        assert stands == [(False, "slip"), (True, "")]

    def test_what_was_told_is_not_withdrawn(self, store: Store) -> None:
        """Once it is told what was right the answer stays; and nobody withdraws another person's."""
        made = answer(store, hand_out(store, gold_case(store, "a")))

        with pytest.raises(Conflict, match="you were told"):
            undo(store, made, told_before=LATER + HOUR)
        with pytest.raises(NotFound):
            undo(store, made, "eve")
        with pytest.raises(NotFound):
            undo(store, "no-such")

    def test_accuracy_counts_what_is_told_and_sure(self, store: Store) -> None:
        """By person and span, not before it is told, not where the right answer changed or the mark is gone."""
        golds = {name: gold_case(store, name, ALLOW if name == "b" else TAKEDOWN) for name in "abcd"}
        for name, outcome in (("a", TAKEDOWN), ("b", TAKEDOWN), ("c", TAKEDOWN), ("d", ALLOW)):
            answer(store, hand_out(store, golds[name], name=name), outcome)
        store.unmark_gold("c-c", time=LATER)
        store.undo_resolution(_resolution(store, "c-d"), reason="no", time=LATER, reviewer="~ann")

        checked = store.checked("~ben", ALWAYS, told_before=LATER + DAY)

        assert (checked.agreed.hits, checked.agreed.count, checked.agreed.value) == (1, 2, 0.5)
        told = [(one.listing_id, one.verdict, one.right_verdict, one.agreed, one.note) for one in checked.answers]
        assert told == [
            ("l-b", "TAKEDOWN", "ALLOW", False, "the seams"),
            ("l-a", "TAKEDOWN", "TAKEDOWN", True, "the seams"),
        ]
        assert store.check_shares(ALWAYS, told_before=LATER + DAY) == {"~ben": checked.agreed}
        assert store.checked("~ben", ALWAYS, told_before=LATER).agreed.count == 0
        assert store.check_shares(Span(NOON, LATER), told_before=LATER + DAY) == {}
        assert store.checked("~eve", ALWAYS, told_before=LATER + DAY).answers == ()

    def test_unmarking_ends_what_nobody_answered(self, store: Store) -> None:
        """A check that somebody holds is overtaken, one that was answered stays."""
        gold = gold_case(store, "a")
        answer(store, hand_out(store, gold, name="done"))
        held = hand_out(store, gold, "eve", name="held")

        store.unmark_gold(gold.case_id, time=LATER)

        assert (shown(store, "done").state, shown(store, "held").state) == (CaseState.RESOLVED, CaseState.SUPERSEDED)
        with pytest.raises(Conflict, match="superseded"):
            answer(store, held, who="eve")

    def test_its_reviewer_finds_it_in_the_queue_and_nobody_else(self, store: Store) -> None:
        """Let go it waits in its place, held it is among what is held; others' lists and the next case know nothing."""
        gold = gold_case(store, "gold")
        for name, harm in (("a", 9.0), ("b", 3.0), ("c", 1.0)):
            open_case(store, name, expected_harm=harm)
        hand_out(store, gold)
        held = CaseFilter(states=(CaseState.CLAIMED,))

        assert (listed(store, "ben", held), listed(store, "eve", held)) == ("k", "")
        assert listed(store, "ben") == "c-a c-b c-c"
        store.release_check("k", "ben", now=LATER)
        assert (listed(store, "ben"), listed(store, "eve")) == ("c-a k c-b c-c", "c-a c-b c-c")
        found = store.next_case(ANYTHING, reviewer="~ben", now=LATER)
        assert found is not None
        assert (found[0].case_id, found[1]) == ("c-a", 9.0)
        for wanted in (
            CaseFilter(seller_id="none"), CaseFilter(except_ids=("k",)), CaseFilter(created_from=LATER),
            CaseFilter(created_before=LATER - HOUR), CaseFilter(listing_id="l-a"),
        ):  # fmt: skip
            assert "k" not in listed(store, "ben", wanted).split(), wanted
        assert listed(store, "ben", CaseFilter(created_from=LATER - HOUR)) == "k"

    def test_pages_have_it_once_in_every_order(self, store: Store) -> None:
        """Page by page each order gives every case and the check once, in order."""
        gold = gold_case(store, "gold")
        for number, name in enumerate("abc"):
            open_case(store, name, expected_harm=number, create_time=LATER - number * HOUR)
        hand_out(store, gold, key=1.5)
        store.release_check("k", "ben", now=LATER)
        beside = store.checks_beside("~ben", ANYTHING, now=LATER, told_before=NOON)

        def pages(order: CaseOrder, size: int) -> list[str]:
            found: list[str] = []
            after = None
            while True:
                page = store.list_cases(ANYTHING, order, now=LATER, after=after, limit=size, beside=beside)
                assert page.total == 4
                found += [case.case_id for case in page.cases]
                after = page.next_after
                if after is None:
                    return found

        for order in CaseOrder:
            whole = pages(order, 10)
            assert sorted(whole) == ["c-a", "c-b", "c-c", "k"]
            for size in (1, 2, 3):
                assert pages(order, size) == whole, (order, size)
        assert pages(CaseOrder.EXPECTED_HARM, 10) == ["c-c", "k", "c-b", "c-a"]

    def test_its_listings_past_is_hidden_from_its_reviewer_until_it_is_told(self, store: Store) -> None:
        """The gold case and other finished ones of the listing are left out of the list, for that person alone."""
        gold = gold_case(store, "a")
        other = open_case(store, "a2", listing="l-a")
        store.resolve_case(other.case_id, ruling(TAKEDOWN, "ann", hours=3))
        finished = CaseFilter(states=(CaseState.RESOLVED,))
        check = hand_out(store, gold)

        assert [listed(store, who, finished).split() for who in ("ben", "eve")] == [[], ["c-a2", "c-a"]]
        answer(store, check)
        assert listed(store, "ben", finished) == "k"
        appealed = CaseFilter(states=(CaseState.APPEALED,))
        case = store.get_case(gold.case_id)
        store.add_appeal(an_appeal(case), case=case)
        assert [listed(store, who, appealed) for who in ("ben", "eve")] == ["", "c-a"]
        store.resolve_case("c-a", ruling(TAKEDOWN, "max", hours=4))
        assert listed(store, "ben", finished, told_before=LATER + HOUR).split() == ["c-a2", "c-a"]

    def test_photos_of_a_gold_case_are_kept(self, store: Store) -> None:
        """As long as it is marked, however old they are."""
        gold = gold_case(store, "a")
        store.add_photos([_photo("a", PhotoState.KEPT)])

        def expire() -> tuple[int, int]:
            return store.expire_photos(before=NOON + 90 * DAY, now=NOON + 91 * DAY)

        marked = expire()
        store.unmark_gold(gold.case_id, time=LATER)

        assert (marked, expire()) == ((0, 0), (1, 10))

    def test_reports_stay_as_they_are(self, store: Store) -> None:
        """A report about the listing is settled by the real verdict alone."""
        case = open_case(store, "a")
        store.add_report(a_report("p", case), case=case, case_weight=0.0)
        store.resolve_case(case.case_id, ruling(TAKEDOWN, "ann"))
        gold = store.mark_gold(case.case_id, note="n", marked_by="~lea", time=NOON + 2 * HOUR)
        before = store.listing_reports("l-a")

        answer(store, hand_out(store, gold), ALLOW)

        assert store.listing_reports("l-a") == before


def _disguise(name: str) -> Disguise:
    return Disguise(
        check_id=name, decision_id=f"d-{name}", payload=b"", create_time=LATER,
        expected_harm=1.0, drawn=False, queue_key=1.0,
    )  # fmt: skip


def _photo(name: str, state: PhotoState) -> Photo:
    return Photo(
        owner=PhotoOwner.DECISION, owner_id=name, position=0, sha256="aa" * 32, state=state, size=10,
        listing_id=f"l-{name}", seller_id="s1", brand="Acme", create_time=NOON,
    )  # fmt: skip


def _resolution(store: Store, case_id: str) -> str:
    (made,) = store.resolutions_in([case_id])[case_id]
    return made.resolution_id


class TestSqliteChecks(OnSqlite, CheckContract):
    """The embedded default."""


class TestPostgresChecks(OnPostgres, CheckContract):
    """The database of an installation with several replicas."""
