"""Whatever people do in whatever order, do the store's promises about cases hold? A state machine, driven at random."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from index.case_records import Case, CaseState
from index.errors import Conflict, NotPermitted
from index.reports import ReportState
from index.rulings import UNDECIDED, Outcome, Resolution
from index.store.store import Store
from tests.contract.test_store_cases import (
    ALLOW,
    HOUR,
    NOON,
    PHOTO,
    TAKEDOWN,
    a_case,
    a_decision,
    a_report,
    an_appeal,
    ruling,
)
from tests.support.databases import with_tables

PEOPLE = st.sampled_from(["ann", "ben", "cat"])
OUTCOMES = st.sampled_from([ALLOW, TAKEDOWN])


class CaseMachine(RuleBasedStateMachine):
    """One listing with one decision, on which three people work; takedowns may need a second person."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(with_tables(Path(self.folder.name) / "store.db"))
        self.hours = 0.0
        self.made: list[Resolution] = []
        self.reports = 0
        self.appealed = False

    def teardown(self) -> None:
        """Close the store."""
        self.store.close()
        self.folder.cleanup()

    @initialize(grave=st.booleans(), verdict=st.sampled_from(["REVIEW", "TAKEDOWN"]))
    def begin(self, verdict: str, *, grave: bool) -> None:
        """Record the decision; a grave case needs two people for a takedown."""
        self.decision = a_decision("d", verdict=verdict)
        self.harm = 0.5 if grave else None
        self.store.record_decision(self.decision, case=a_case(self.decision), images=[PHOTO])

    @rule(who=PEOPLE, outcome=OUTCOMES)
    def resolve(self, who: str, outcome: Outcome) -> None:
        """Somebody resolves the case, whatever its state."""
        before = self.case
        try:
            made = self.store.resolve_case(
                "c-d", ruling(outcome, who, hours=self._hour(), second_review_harm=self.harm)
            )
        except Conflict:
            assert before.state in (CaseState.RESOLVED, CaseState.SUPERSEDED)
            return
        except NotPermitted:
            assert before.state in (CaseState.SECOND_REVIEW, CaseState.APPEALED)
            assert f"~{who}" in {name for one in self.all for name in (one.reviewer, one.second_reviewer)}
            return
        assert before.state not in (CaseState.RESOLVED, CaseState.SUPERSEDED)
        if made.resolution_id not in {one.resolution_id for one in self.made}:
            self.made.append(made)
        if made.in_force:
            assert self.store.verdict_in_force("d").verdict == outcome.verdict

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 99))
    def undo(self, which: int) -> None:
        """Somebody undoes a resolution, and what held before holds again."""
        chosen = self.made[which % len(self.made)]
        events = self.store.event_head()
        standing = [one for one in self.all if one.stands]
        expected = [one for one in standing if one.in_force and one.resolution_id != chosen.resolution_id]
        try:
            undone = self.store.undo_resolution(chosen.resolution_id, reason="why", time=self._time())
        except Conflict:
            assert standing[-1].resolution_id != chosen.resolution_id or self.case.state is CaseState.APPEALED
            return
        if undone.changed:
            holds = expected[-1].outcome.verdict if expected else self.decision.verdict
            assert self.store.verdict_in_force("d").verdict == holds
        else:
            assert self.store.event_head() == events

    @rule()
    def report(self) -> None:
        """Somebody reports the listing."""
        self.reports += 1
        report = a_report(f"r{self.reports}", self.case, reporter=f"b{self.reports}")
        self.store.add_report(report, case=a_case(self.decision, case_id=f"n{self.reports}"), case_weight=1e9)

    @precondition(lambda self: self.store.verdict_in_force("d").verdict == "TAKEDOWN")
    @rule()
    def appeal(self) -> None:
        """Let the seller appeal."""
        try:
            self.store.add_appeal(an_appeal(self.case), case=a_case(self.decision, case_id="unused"))
        except Conflict:
            assert self.appealed
            return
        self.appealed = True
        assert self.case.state is CaseState.APPEALED

    @invariant()
    def a_takedown_by_people_has_its_photos_known(self) -> None:
        """Photos are known just when a person's takedown is in force."""
        last = [one for one in self.all if one.stands and one.in_force][-1:]
        taken_down = bool(last) and last[0].outcome.takes_down
        assert bool(list(self.store.iter_removed_images())) == taken_down

    @invariant()
    def the_newest_event_tells_the_verdict_in_force(self) -> None:
        """Who follows events knows the verdict in force."""
        event = self.store.events_after(self.store.event_head() - 1)[0]
        assert event.verdict == self.store.verdict_in_force("d").verdict

    @invariant()
    def the_latest_verdict_row_is_what_holds(self) -> None:
        """Read what learning reads last: the human verdict in force, or an undone one when there is none."""
        rows = self.store.verdicts_after(0)
        last = [one for one in self.all if one.stands and one.in_force][-1:]
        if not rows or rows[-1].undone:
            assert not last
        else:
            assert last[0].outcome.takes_down == rows[-1].infringing

    @invariant()
    def the_state_fits_what_was_decided(self) -> None:
        """Appeals wait just while the case is appealed, first reviews just in a second review."""
        waiting = any(one.state in UNDECIDED for one in self.store.appeals_against("d"))
        pending = any(one.stands and not one.in_force for one in self.all)
        assert (self.case.state is CaseState.APPEALED) == waiting
        assert (self.case.state is CaseState.SECOND_REVIEW) == pending

    @invariant()
    def no_takedown_of_one_person_where_two_are_needed(self) -> None:
        """In a grave case a takedown in force was given by two people, or answers an appeal."""
        for one in self.all:
            if self.harm is not None and one.in_force and one.outcome.takes_down and not one.appeal_id:
                assert one.second_reviewer not in ("", one.reviewer)

    @invariant()
    def settled_reports_agree_with_the_verdict(self) -> None:
        """Find settled reports upheld just when a person's takedown is in force."""
        last = [one for one in self.all if one.stands and one.in_force][-1:]
        for report in self.store.listing_reports("l-d"):
            if report.state is not ReportState.RECEIVED:
                assert last
                assert (report.state is ReportState.UPHELD) == last[0].outcome.takes_down

    @property
    def case(self) -> Case:
        """The case as it now is."""
        return self.store.get_case("c-d")

    @property
    def all(self) -> tuple[Resolution, ...]:
        """Every resolution, the first first."""
        return self.store.resolutions_in(["c-d"]).get("c-d", ())

    def _hour(self) -> float:
        self.hours += 1
        return self.hours

    def _time(self) -> datetime:
        return NOON + self._hour() * HOUR


CaseMachine.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
TestCases = CaseMachine.TestCase
