"""Which times run in a case? The clock of the law's procedures, step by step."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from index.case_records import Case
from index.evidence_records import Restriction
from index.legal_steps import LegalStep, LegalStepKind
from index.reports import Notice, Report, ReporterType
from index.rulings import Appeal, Outcome, Resolution
from serving.case_rules import load_case_rules
from serving.legal.clock import ClockFacts, Deadline, Term, TermState, deadlines

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
RULES = load_case_rules()
CASE = Case(case_id="c", decision_id="d", listing_id="l", verdict="REVIEW", create_time=NOON, market="CN")
NOTICE = Report(
    report_id="r",
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
        jurisdiction="CN",
    ),
)
APPEAL = Appeal(
    appeal_id="a",
    decision_id="d",
    case_id="c",
    appellant_id="s",
    statement="genuine",
    create_time=NOON + DAY,
    due_time=NOON + 15 * DAY,
)


def step(kind: LegalStepKind, days: float) -> LegalStep:
    """Record a step so many days after noon."""
    time = NOON + days * DAY
    return LegalStep(
        step_id=str(kind), case_id="c", decision_id="d", kind=kind, time=time, reviewer="x", record_time=time
    )


def clock(*steps: LegalStep, appeals: tuple[Appeal, ...] = (APPEAL,)) -> dict[Term, Deadline]:
    """Tell the times of a case that was noticed under the law of the PRC, taken down at noon and appealed against."""
    facts = ClockFacts(
        case=CASE,
        resolutions=(),
        reports=(NOTICE,),
        appeals=appeals,
        steps=steps,
        taken_down=NOON,
        restriction=Restriction(since=NOON, steps=steps),
    )
    return {one.term: one for one in deadlines(facts, RULES)}


def test_fifteen_days_run_from_the_arrival_at_the_notifier() -> None:
    """Nothing runs before the statement arrives; then the notifier has fifteen days, and the operator lifts after."""
    before = clock(step(LegalStepKind.COUNTER_FORWARDED, 2))
    arrived = clock(step(LegalStepKind.COUNTER_FORWARDED, 2), step(LegalStepKind.COUNTER_ARRIVED, 3))

    assert Term.NOTIFIER_ANSWER not in before
    assert before[Term.FORWARD_COUNTER].state_at(NOON + 9 * DAY) is TermState.MET
    answer, lift = arrived[Term.NOTIFIER_ANSWER], arrived[Term.LIFT_MEASURES]
    assert (answer.start_time, answer.due_time) == (NOON + 3 * DAY, NOON + 18 * DAY)
    assert answer.state_at(NOON + 18 * DAY) is TermState.RUNNING
    assert answer.state_at(NOON + 18.1 * DAY) is TermState.OVER
    assert lift.start_time == answer.due_time


def test_a_complaint_in_time_leaves_the_measures_standing() -> None:
    """Who complains or sues within the fifteen days ends the clock; who does so later does not."""
    arrived = step(LegalStepKind.COUNTER_ARRIVED, 3)
    in_time = clock(arrived, step(LegalStepKind.COMPLAINT_FILED, 17))
    late = clock(arrived, step(LegalStepKind.COMPLAINT_FILED, 19), step(LegalStepKind.MEASURES_LIFTED, 20))

    assert in_time[Term.NOTIFIER_ANSWER].state_at(NOON + 90 * DAY) is TermState.MET
    assert Term.LIFT_MEASURES not in in_time
    assert late[Term.NOTIFIER_ANSWER].state_at(NOON + 90 * DAY) is TermState.MET_LATE
    assert late[Term.LIFT_MEASURES].state_at(NOON + 90 * DAY) is TermState.MET


def test_the_last_recorded_step_of_a_kind_counts() -> None:
    """A wrong time is put right by recording the step again."""
    times = clock(step(LegalStepKind.COUNTER_ARRIVED, 3), step(LegalStepKind.COUNTER_ARRIVED, 5))

    assert times[Term.NOTIFIER_ANSWER].start_time == NOON + 5 * DAY


def told_in_germany(*sent: float, since: float = 0) -> Deadline:
    """Tell when the statement is due where the law asks for one: sent, and down since, so many days after noon."""
    steps = tuple(step(LegalStepKind.STATEMENT_SENT, days) for days in sent)
    facts = ClockFacts(
        case=replace(CASE, market="DE"),
        resolutions=(),
        reports=(),
        appeals=(),
        steps=(),
        taken_down=NOON + 9 * DAY,
        restriction=Restriction(since=NOON + since * DAY, steps=steps),
    )
    times = {one.term: one for one in deadlines(facts, RULES)}
    assert times[Term.COMPLAINT_WINDOW].due_time == NOON + (9 + RULES.appeal_days) * DAY
    assert Term.FORWARD_NOTICE not in times
    return times[Term.STATEMENT]


def test_the_statement_is_due_on_the_day_of_the_restriction() -> None:
    """Sent on the same day it is in time; in China, whose law does not ask for one, none is due."""
    assert told_in_germany(0.4).state_at(NOON + DAY) is TermState.MET
    assert told_in_germany(0.6).state_at(NOON + DAY) is TermState.MET_LATE
    assert told_in_germany().due_time.date() == NOON.date()
    assert Term.STATEMENT not in clock()


def test_the_statement_about_an_earlier_restriction_is_not_this_ones() -> None:
    """The listing was down, up, and is down again: what was sent then says nothing of it, and what is sent now does."""
    assert told_in_germany(0.1, since=5).state_at(NOON + 9 * DAY) is TermState.OVER
    assert told_in_germany(0.1, 5.2, since=5).state_at(NOON + 9 * DAY) is TermState.MET


def test_a_verdict_that_was_undone_meets_no_time() -> None:
    """The case waits again, and its time is over; the verdict that stands meets it."""
    undone = Resolution(
        resolution_id="r1",
        case_id="c",
        decision_id="d",
        outcome=Outcome(verdict="ALLOW"),
        reviewer="x",
        resolve_time=NOON + DAY,
        undo_time=NOON + 2 * DAY,
    )
    stands = replace(undone, resolution_id="r2", resolve_time=NOON + 3 * DAY, undo_time=None)

    def due(*resolutions: Resolution) -> Deadline:
        case = replace(CASE, due_time=NOON + 7 * DAY)
        facts = ClockFacts(
            case=case, resolutions=resolutions, reports=(), appeals=(), steps=(), taken_down=None, restriction=None
        )
        return next(one for one in deadlines(facts, RULES) if one.term is Term.CASE_DUE)

    assert due(undone).state_at(NOON + 8 * DAY) is TermState.OVER
    assert due(undone, stands).done_time == NOON + 3 * DAY
