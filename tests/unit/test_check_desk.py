"""When is a check handed out in place of a case, and as what does it pass? The desk over a small store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from index.case_records import CaseFilter, CaseOrigin, CaseState
from index.errors import Conflict, NotFound
from index.insight import SellerDecision
from index.reports import ReportState
from index.rulings import RequestKey
from index.store.store import Store
from serving.access.caller import NOBODY, Caller
from serving.case_file import CaseFile
from serving.case_rules import load_case_rules
from serving.cases import CaseDesk
from serving.checks import is_checked, shown_decision, shown_takedown
from serving.wire.case import Claim
from tests.contract.test_store_cases import (
    ALLOW,
    ANYTHING,
    HOUR,
    NOON,
    TAKEDOWN,
    a_case,
    a_decision,
    a_report,
    open_case,
    ruling,
)
from tests.support.databases import with_tables
from touchstone.moderation.v1 import decision_pb2

BEN = Caller("ben", frozenset({"moderator"}))
LATER = NOON + timedelta(days=90)


class Chance:
    """Gives the same number until another is set."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self) -> float:
        """Give it."""
        return self.value


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store in which nothing is."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        yield opened


def desk_of(store: Store, chance: float = 0.0, *, now: datetime = LATER, **rules: object) -> CaseDesk:
    """Make the desk of a service that has run for three months."""
    return CaseDesk(store, load_case_rules().model_copy(update=rules), lambda: now, Chance(chance))


def decide(store: Store, name: str, *, time: datetime = NOON, **changed: object) -> str:
    """Put a decision on record, with a payload, and its case; name that."""
    message = decision_pb2.Decision(decision_id=name, listing_id=f"l-{name}", policy_version=f"policy of {time:%B}")
    message.create_time.FromDatetime(time)
    record = replace(a_decision(name), create_time=time, payload=message.SerializeToString())
    verdict = str(changed.pop("verdict", record.verdict))
    record = replace(record, verdict=verdict)
    case = a_case(record, **changed)
    store.record_decision(record, case=case)
    return case.case_id


def gold(store: Store, name: str = "gold", **changed: object) -> str:
    """Put a gold case on record: reported, taken down by ann, and marked by lea."""
    case_id = decide(store, name, **changed)  # type: ignore[arg-type]
    case = store.get_case(case_id)
    store.add_report(a_report("before", case), case=case, case_weight=0.0)
    store.resolve_case(case_id, ruling(TAKEDOWN, "ann"))
    store.mark_gold(case_id, note="n", marked_by="~lea", time=NOON + 2 * HOUR)
    return case_id


def take(desk: CaseDesk, caller: Caller = BEN, wanted: CaseFilter = ANYTHING) -> CaseFile:
    """Take the next case."""
    return desk.claim(Claim(case_id="", wanted=wanted, release=False, duration=HOUR), caller)


def test_a_share_of_claims_is_a_check(store: Store) -> None:
    """By chance below the share, never at it or above, and never where the share is 0."""
    gold(store)
    decide(store, "a", time=LATER - HOUR)

    for chance, share in ((0.03, 0.03), (0.5, 0.03), (0.0, 0.0)):
        file = take(desk_of(store, chance, check_share=share))
        assert (file.case.case_id, file.check) == ("c-a", None)
        store.release_case("c-a", "ben", now=LATER)
    assert take(desk_of(store, 0.0299, check_share=0.03)).check is not None


def test_who_may_not_know_what_is_gold_is_checked() -> None:
    """Moderators; not leads, auditors and administrators, nor who has no role or no name."""
    roles = {"moderator": True, "lead": False, "auditor": False, "admin": False, "moderator,lead": False}

    assert {held: is_checked(Caller("ann", frozenset(held.split(",")))) for held in roles} == roles
    assert not is_checked(Caller("ann"))
    assert not is_checked(NOBODY)


def test_it_passes_for_the_case_before_the_next(store: Store) -> None:
    """As if opened within the minute before, a hair's breadth more harmful, decided then, by the policy of today."""
    gold(store, expected_harm=0.1)
    decide(store, "a", time=LATER - HOUR, expected_harm=2.0)
    decide(store, "b", time=LATER - HOUR, expected_harm=1.0)
    desk = desk_of(store, 0.02)

    check = take(desk)

    assert check.check is not None
    opened = LATER - HOUR - 0.02 * timedelta(minutes=1)
    assert check.case.create_time == opened
    assert 2.0 < check.case.expected_harm < 2.00001
    message = decision_pb2.Decision.FromString(check.decision.payload)
    assert message.create_time.ToDatetime(opened.tzinfo) == opened
    assert (message.decision_id, message.listing_id) == (check.case.decision_id, "l-gold")
    assert message.policy_version == f"policy of {LATER - HOUR:%B}" != f"policy of {NOON:%B}"
    assert shown_decision(store, check.case.decision_id) == check.decision
    with pytest.raises(NotFound):
        shown_decision(store, "no-such")


def test_it_stands_in_a_drawn_cases_place_as_a_drawn_case(store: Store) -> None:
    """Where the next case was drawn by lot the check was too, and keeps its own harm; times that are asked for hold."""
    gold(store, expected_harm=0.1)
    decide(store, "a", time=LATER - HOUR, expected_harm=0.5, drawn=True)

    check = take(desk_of(store, 0.02), wanted=CaseFilter(created_from=LATER - HOUR))

    assert check.check is not None
    assert (check.case.drawn, check.case.expected_harm, check.case.create_time) == (True, 0.1, LATER - HOUR)


def test_its_reports_are_those_of_before_the_verdict(store: Store) -> None:
    """Unsettled, and moved in time; what came after people had decided is left out."""
    case = store.get_case(gold(store))
    after = replace(a_report("after", case, reporter="b2"), create_time=NOON + 3 * HOUR)
    store.add_report(after, case=case, case_weight=9.0)
    decide(store, "a", time=LATER)

    file = take(desk_of(store))

    (report,) = file.reports
    assert (report.report_id, report.state) == ("before", ReportState.RECEIVED)
    assert report.create_time == NOON + (file.case.create_time - case.create_time)
    assert {one.state for one in store.listing_reports("l-gold")} >= {ReportState.UPHELD}


def test_a_more_harmful_case_comes_before_a_check_that_was_let_go(store: Store) -> None:
    """The check has a place as cases have: behind what came in above it, before what it displaced."""
    gold(store)
    decide(store, "a", time=LATER - HOUR, expected_harm=2.0)
    check = take(desk_of(store, 0.0)).case.case_id
    store.release_check(check, "ben", now=LATER)
    decide(store, "top", time=LATER, expected_harm=5.0)

    # Nothing is drawn any more: the check comes because it waits.
    taken = [take(desk_of(store, 1.0)).case.case_id for _ in range(3)]

    assert taken == ["c-top", check, "c-a"]


def test_a_sellers_record_shows_it_as_it_passes(store: Store) -> None:
    """Its real decision gives way to the one that it shows, the newest, without a verdict of people's."""
    gold(store)
    decide(store, "a", time=LATER - HOUR)
    desk = desk_of(store)
    check = take(desk).check
    assert check is not None
    usual = SellerDecision(
        decision_id="a", listing_id="l-a", verdict="REVIEW", in_force="REVIEW", brand="Acme", probability=None,
        create_time=LATER - HOUR,
    )  # fmt: skip
    real = replace(usual, decision_id="gold", listing_id="l-gold", in_force="TAKEDOWN", create_time=NOON)
    ben = desk.pseudonym("ben")

    seen = desk.checks.veil((usual, real), ben, seller_id="s1")

    assert [(one.decision_id, one.in_force) for one in seen] == [
        ("a", "REVIEW"),
        (check.case.decision_id, "REVIEW"),
    ]
    assert desk.checks.veil((usual,), ben, seller_id="s2") == (usual,)
    assert desk.checks.veil((usual, real), desk.pseudonym("eve"), seller_id="s1") == (usual, real)


def test_a_check_with_an_audit_of_a_takedown_is_one(store: Store) -> None:
    """What the service took down is taken down as the check shows it, whatever people decided; else nothing is."""
    gold(store, "t", verdict="TAKEDOWN", origin=CaseOrigin.AUDIT)
    decide(store, "a", time=LATER - HOUR)
    desk = desk_of(store)

    file = take(desk)

    assert file.check is not None
    taken = shown_takedown(file.check)
    assert (taken.resolution, taken.decision.decision_id) == (None, file.case.decision_id)
    assert (desk.in_force(file).verdict, desk.in_force(file).since) == ("TAKEDOWN", file.case.create_time)
    with pytest.raises(NotFound, match="it is REVIEW"):
        shown_takedown(replace(file.check, decision=replace(file.decision, verdict="REVIEW")))


def test_an_answer_can_be_undone_for_a_while(store: Store) -> None:
    """Until `check_undo_minutes` are over; then it is told, and stays."""
    gold(store)
    decide(store, "a", time=LATER - HOUR)
    desk = desk_of(store, check_undo_minutes=10)
    file = take(desk)
    assert file.case.lease is not None
    request = RequestKey(scope="s", request_id="r", request_sha256="00" * 32)
    _, made = desk.resolve(file.case.case_id, ALLOW, BEN, lease_token=file.case.lease.token, request=request)

    again, same = desk.resolve(file.case.case_id, ALLOW, BEN, lease_token="over", request=request)
    soon, late = (desk_of(store, now=LATER + timedelta(minutes=minutes)) for minutes in (9, 10))

    assert (same, again.case.state) == (made, CaseState.RESOLVED)
    with pytest.raises(Conflict, match="you were told"):
        late.checks.undo(made.resolution_id, reason="slip", reviewer=desk.pseudonym("ben"))
    assert soon.checks.undo(made.resolution_id, reason="slip", reviewer=desk.pseudonym("ben")).changed


def test_without_gold_cases_a_claim_is_what_it_was(store: Store) -> None:
    """Every claim draws, and nothing comes of it."""
    open_case(store, "a")

    assert take(desk_of(store, check_share=1.0)).case.case_id == "c-a"
    with pytest.raises(NotFound, match="No case that fits waits"):
        take(desk_of(store, check_share=1.0))
