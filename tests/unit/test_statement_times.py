"""What a statement says of times and causes does not change with what happens to the listing later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from index.decision_records import DecisionRecord
from index.reports import Notice, Report, ReporterType
from index.rulings import Appeal, Outcome, Ruling
from index.store.store import Store
from serving.case_opening import CaseOpening
from serving.case_rules import load_case_rules
from serving.legal.register import to_register
from serving.legal.statements import Source, Statements
from tests.support.databases import with_tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = load_case_rules()
WINDOW = RULES.appeal_days * DAY
NOTICE = Report(
    report_id="notice",
    listing_id="l",
    reporter_id="owner",
    reporter_type=ReporterType.RIGHTS_OWNER,
    reason_code="COUNTERFEIT",
    create_time=NOON,
    notice=Notice(
        urls=("https://shop.example/1",),
        notifier_name="n",
        notifier_email="n@x.example",
        good_faith_statement=True,
        jurisdiction="EU",
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Open a store with a listing that was sent to REVIEW."""
    with Store.open(with_tables(tmp_path / "store.db")) as opened:
        decide(opened, "d", "REVIEW", days=0)
        yield opened


def decide(store: Store, decision_id: str, verdict: str, *, days: float) -> None:
    """Decide on the listing, so many days after noon, with a case of the same name."""
    record = DecisionRecord(
        decision_id=decision_id,
        listing_id="l",
        verdict=verdict,
        create_time=NOON + days * DAY,
        payload=b"",
        request_sha256="",
        seller_id="s",
        market="DE",
    )
    store.record_decision(record, case=CaseOpening(store, RULES).case(record, case_id=decision_id))


def notice(store: Store, *, days: float) -> None:
    """Notice the listing."""
    made = replace(NOTICE, create_time=NOON + days * DAY)
    case = CaseOpening(store, RULES).case(store.get_decision("d"), case_id="other")
    store.add_report(made, case=case, case_weight=0.0)


def rule(store: Store, verdict: str, who: str, *, days: float) -> None:
    """Let somebody resolve the case."""
    outcome = Outcome(verdict=verdict, reason_code="COUNTERFEIT")
    store.resolve_case("d", Ruling(outcome=outcome, holder=who, reviewer=who, time=NOON + days * DAY))


def appeal(store: Store, *, days: float) -> None:
    """Appeal against the decision."""
    made = Appeal(
        appeal_id="a",
        decision_id="d",
        case_id="",
        appellant_id="s",
        statement="genuine",
        create_time=NOON + days * DAY,
        due_time=NOON + 30 * DAY,
    )
    store.add_appeal(made, case=store.get_case("d"))


def test_a_denied_appeal_begins_no_time_anew(store: Store) -> None:
    """The listing is down since the takedown, and the time to complain runs from there."""
    rule(store, "TAKEDOWN", "ann", days=1)
    appeal(store, days=2)
    rule(store, "TAKEDOWN", "ben", days=3)

    told = Statements(store, RULES).of_decision("d", language="en")

    assert (told.effective_time, told.complaint_end_time) == (NOON + DAY, NOON + DAY + WINDOW)


def test_deciding_anew_on_what_is_down_leaves_the_time_to_complain_whole(store: Store) -> None:
    """The listing is down since the first takedown; against the new decision the seller has all the time there is."""
    rule(store, "TAKEDOWN", "ann", days=1)
    decide(store, "anew", "TAKEDOWN", days=100)

    told = Statements(store, RULES).of_decision("anew", language="en")

    assert (told.effective_time, told.complaint_end_time) == (NOON + DAY, NOON + 100 * DAY + WINDOW)


def test_a_granted_appeal_changes_nothing_about_what_led_to_the_takedown(store: Store) -> None:
    """It declines the notice; the register is told of a notice all the same."""
    notice(store, days=0.5)
    rule(store, "TAKEDOWN", "ann", days=1)
    appeal(store, days=2)
    rule(store, "ALLOW", "ben", days=3)

    (taken,) = store.takedowns_between(NOON, NOON + 9 * DAY, limit=9).takedowns
    told = Statements(store, RULES).of_takedown(taken, language="en")

    assert to_register(told, offered=NOON).source_type == "SOURCE_ARTICLE_16"


def test_a_notice_that_came_later_did_not_lead_to_it(store: Store) -> None:
    """Taken down on own initiative, noticed, and confirmed: it stays own initiative."""
    rule(store, "TAKEDOWN", "ann", days=1)
    notice(store, days=1.5)
    appeal(store, days=2)
    rule(store, "TAKEDOWN", "ben", days=3)

    assert Statements(store, RULES).of_decision("d", language="en").source is Source.OWN_INITIATIVE
