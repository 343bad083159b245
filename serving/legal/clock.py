"""Which times run in a case, by law or by the operator's rules, and was what they ask for done? Pure, over records.

Takedowns on markets whose law asks for a statement of reasons: Regulation (EU) 2022/2065, Articles 17 and 20. Notices
under the law of the PRC: E-commerce Law, Articles 42 and 43, which names 15 days from the arrival of the seller's
statement at the notifier, and says "promptly" of everything else; the Supreme People's Court's reply of 2020 lets
delays beyond the notifier's control count for up to 20 working days, which is why the days are a rule.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from index.case_records import Case
from index.evidence_records import Restriction
from index.legal_steps import LegalStep, LegalStepKind
from index.reports import Report
from index.rulings import Appeal, AppealState, Resolution
from serving.case_rules import CaseRules

_CHINA = "CN"
_ART_42, _ART_43 = "E-commerce Law of the PRC, Article 42", "E-commerce Law of the PRC, Article 43"
_DSA = "Regulation (EU) 2022/2065, Article"


class Term(enum.StrEnum):
    """Which time runs."""

    CASE_DUE = "CASE_DUE"
    STATEMENT = "STATEMENT"
    COMPLAINT_WINDOW = "COMPLAINT_WINDOW"
    APPEAL_DUE = "APPEAL_DUE"
    FORWARD_NOTICE = "FORWARD_NOTICE"
    FORWARD_COUNTER = "FORWARD_COUNTER"
    NOTIFIER_ANSWER = "NOTIFIER_ANSWER"
    LIFT_MEASURES = "LIFT_MEASURES"


class TermState(enum.StrEnum):
    """Where a time stands."""

    RUNNING = "RUNNING"
    MET = "MET"
    MET_LATE = "MET_LATE"
    OVER = "OVER"


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A time that runs, or ran: `basis` is the law or the rule that sets it, `done_time` when it was met."""

    term: Term
    start_time: datetime
    due_time: datetime
    basis: str
    done_time: datetime | None = None

    def state_at(self, now: datetime) -> TermState:
        """Where it stands `now`."""
        if self.done_time is not None:
            return TermState.MET if self.done_time <= self.due_time else TermState.MET_LATE
        return TermState.RUNNING if now <= self.due_time else TermState.OVER


@dataclass(frozen=True, kw_only=True)
class ClockFacts:
    """What the clock of a case goes by.

    `taken_down` is since when the case's decision takes the listing down, `restriction` since when the listing is down
    without a break, under earlier decisions too; both None when it is not.
    """

    case: Case
    resolutions: tuple[Resolution, ...]
    reports: tuple[Report, ...]
    appeals: tuple[Appeal, ...]
    steps: tuple[LegalStep, ...]
    taken_down: datetime | None
    restriction: Restriction | None


def deadlines(facts: ClockFacts, rules: CaseRules) -> tuple[Deadline, ...]:
    """Return the times of a case, the one that ends first first."""
    done = {step.kind: step.time for step in facts.steps}  # of several of one kind the last recorded one counts
    found = [
        *_of_case(facts),
        *_of_takedown(facts, rules),
        *_of_appeals(facts),
        *_of_notice(facts, rules, done),
        *_of_counter(facts, rules, done),
    ]
    return tuple(sorted(found, key=lambda one: (one.due_time, one.term)))


def _of_case(facts: ClockFacts) -> Iterator[Deadline]:
    reported = min((one.create_time for one in facts.reports), default=facts.case.create_time)
    appealed = any(one.due_time == facts.case.due_time for one in facts.appeals)
    if facts.case.due_time is not None and not appealed:
        first = next((one for one in facts.resolutions if one.in_force and one.stands), None)
        yield Deadline(
            term=Term.CASE_DUE,
            start_time=min(reported, facts.case.create_time),
            due_time=facts.case.due_time,
            basis="the rule report_due_hours",
            done_time=None if first is None else first.resolve_time,
        )


def _of_takedown(facts: ClockFacts, rules: CaseRules) -> Iterator[Deadline]:
    start, restriction = facts.taken_down, facts.restriction
    if start is None or restriction is None:
        return
    if rules.needs_statement(facts.case.market):
        yield Deadline(
            term=Term.STATEMENT,
            start_time=restriction.since,
            due_time=_end_of_day(restriction.since),
            basis=f"{_DSA} 17(2)",
            done_time=_statement_sent(restriction),
        )
    appealed = min((one.create_time for one in facts.appeals), default=None)
    yield Deadline(
        term=Term.COMPLAINT_WINDOW,
        start_time=start,
        due_time=start + timedelta(days=rules.appeal_days),
        basis=f"{_DSA} 20(1)",
        done_time=appealed,
    )


def _statement_sent(restriction: Restriction) -> datetime | None:
    """Return when the statement about a restriction was sent; one about an earlier restriction says nothing of it."""
    sent = (one.time for one in restriction.steps if one.kind is LegalStepKind.STATEMENT_SENT)
    times = [time for time in sent if time >= restriction.since]
    return times[-1] if times else None


def _of_appeals(facts: ClockFacts) -> Iterator[Deadline]:
    for appeal in facts.appeals:
        if appeal.state is not AppealState.WITHDRAWN:
            yield Deadline(
                term=Term.APPEAL_DUE,
                start_time=appeal.create_time,
                due_time=appeal.due_time,
                basis=f"the rule appeal_due_days, for {_DSA} 20(4)",
                done_time=appeal.decide_time,
            )


def _of_notice(facts: ClockFacts, rules: CaseRules, done: dict[LegalStepKind, datetime]) -> Iterator[Deadline]:
    arrived = chinese_notice(facts.reports)
    if arrived is not None:
        yield Deadline(
            term=Term.FORWARD_NOTICE,
            start_time=arrived,
            due_time=arrived + timedelta(days=rules.forward_days),
            basis=f"{_ART_42}, and the rule forward_days",
            done_time=done.get(LegalStepKind.NOTICE_FORWARDED),
        )


def _of_counter(facts: ClockFacts, rules: CaseRules, done: dict[LegalStepKind, datetime]) -> Iterator[Deadline]:
    """Give the times that run once the seller says that nothing is infringed, after a notice by the law of the PRC."""
    if chinese_notice(facts.reports) is None or not facts.appeals:
        return
    stated = facts.appeals[-1].create_time
    forwarded = done.get(LegalStepKind.COUNTER_FORWARDED)
    yield Deadline(
        term=Term.FORWARD_COUNTER,
        start_time=stated,
        due_time=stated + timedelta(days=rules.forward_days),
        basis=f"{_ART_43}, and the rule forward_days",
        done_time=forwarded,
    )
    arrived = done.get(LegalStepKind.COUNTER_ARRIVED)
    if arrived is None:
        return
    answer_due = arrived + timedelta(days=rules.notifier_answer_days)
    complained = done.get(LegalStepKind.COMPLAINT_FILED)
    yield Deadline(
        term=Term.NOTIFIER_ANSWER, start_time=arrived, due_time=answer_due, basis=_ART_43, done_time=complained
    )
    if complained is None or complained > answer_due:
        yield Deadline(
            term=Term.LIFT_MEASURES,
            start_time=answer_due,
            due_time=answer_due + timedelta(days=rules.forward_days),
            basis=f"{_ART_43}, and the rule forward_days",
            done_time=done.get(LegalStepKind.MEASURES_LIFTED),
        )


def _end_of_day(moment: datetime) -> datetime:
    """Return the end of a moment's day: the statement comes "at the latest from the date" of the restriction."""
    return datetime.combine(moment.date(), time.max, moment.tzinfo)


def chinese_notice(reports: Sequence[Report]) -> datetime | None:
    """Return when the first notice under the law of the PRC came in, None when there was none."""
    notices = (one for one in reports if one.notice is not None and one.notice.jurisdiction == _CHINA)
    return min((one.create_time for one in notices), default=None)
