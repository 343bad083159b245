"""Are figures counted alike on every database, and rightly? Small stores counted by hand, one suite, a class each."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from index.case_records import CaseOrigin, CaseState
from index.decision_records import DecisionRecord
from index.insight import AuditCount, Happening, Span, Split
from index.rings import Ring, RingLink
from index.shift import PRICE_EDGES, SCORE_EDGES
from index.store.steps import DAY_S, HOUR_S, WEEK_S
from index.store.store import Store
from tests.contract.test_store_cases import (
    ALLOW,
    HOUR,
    NOON,
    TAKEDOWN,
    a_case,
    a_decision,
    a_report,
    an_appeal,
    open_case,
    ruling,
)
from tests.support.databases import OnPostgres, OnSqlite, StoreSuite

DAY = timedelta(days=1)
ALWAYS = Span(NOON - 365 * DAY, NOON + 365 * DAY)


def decide(store: Store, name: str, **changed: object) -> DecisionRecord:
    """Put a decision on record that opens no case."""
    record = replace(a_decision(name), **changed)  # type: ignore[arg-type]
    store.record_decision(record)
    return record


def audit(store: Store, name: str, *, verdict: str, share: float | None = 0.01, brand: str = "Acme") -> str:
    """Put a decision on record with the audit of it, and name that."""
    record = replace(a_decision(name, verdict=verdict), brand=brand)
    case = replace(a_case(record, origin=CaseOrigin.AUDIT, audit_share=share), brand=brand)
    store.record_decision(record, case=case)
    return case.case_id


def claim_and_resolve(store: Store, case_id: str, who: str, outcome: object, *, held_s: float, **more: object) -> None:
    """Claim a case an hour after noon and resolve it so many seconds later."""
    claimed = store.claim_case(case_id, who, now=NOON + HOUR, duration=HOUR)
    assert claimed.lease is not None
    hours = 1 + held_s / 3600
    store.resolve_case(case_id, ruling(outcome, who, hours=hours, lease_token=claimed.lease.token, **more))  # type: ignore[arg-type]


class InsightContract(StoreSuite):
    """What every database must do."""

    def test_volumes_count_each_thing_when_it_happened(self, store: Store) -> None:
        """A decision, its case, a report, a takedown, an undoing and an appeal each count once, at their own time."""
        first, second = open_case(store, "a"), open_case(store, "b")
        store.add_report(a_report("p", second), case=second, case_weight=0.0)
        store.resolve_case(first.case_id, ruling(TAKEDOWN, hours=1))
        undone = store.resolve_case(second.case_id, ruling(TAKEDOWN, "ben", hours=2))
        store.undo_resolution(undone.resolution_id, reason="no", time=NOON + 3 * HOUR, reviewer="~ann")
        store.add_appeal(an_appeal(first), case=first)
        store.resolve_case(first.case_id, ruling(ALLOW, "eve", hours=4))

        counts = store.volumes(ALWAYS, step_s=HOUR_S)

        noon = int(NOON.timestamp())
        assert {(one.happening, (one.step_s - noon) // 3600, one.count) for one in counts} == {
            (Happening.DECIDED, 0, 2), (Happening.OPENED, 0, 2), (Happening.REPORTED, 0, 1),
            (Happening.RESOLVED, 1, 1), (Happening.RESOLVED, 2, 1), (Happening.UNDONE, 3, 1),
            (Happening.APPEALED, 2, 1), (Happening.RESOLVED, 4, 1), (Happening.GRANTED, 4, 1),
        }  # fmt: skip
        assert not store.volumes(Span(NOON + 5 * HOUR, ALWAYS.end), step_s=HOUR_S)

    def test_volumes_are_split(self, store: Store) -> None:
        """Each split has the keys of what happened; decisions have no origin."""
        open_case(store, "a", origin=CaseOrigin.AUDIT, market="FR")
        expected = {
            Split.NOTHING: {"": 2},
            Split.VERDICT: {"REVIEW": 2},
            Split.ORIGIN: {"": 1, "audit": 1},
            Split.BRAND: {"Acme": 1, "": 1},
            Split.MARKET: {"DE": 1, "FR": 1},
        }

        for split, keys in expected.items():
            found: dict[str, int] = {}
            for one in store.volumes(ALWAYS, step_s=DAY_S, split=split):
                found[one.key] = found.get(one.key, 0) + one.count
            assert found == keys, split

    @pytest.mark.parametrize(
        ("step_s", "begins"),
        [
            (HOUR_S, datetime(2025, 9, 3, 23, tzinfo=UTC)),
            (DAY_S, datetime(2025, 9, 3, tzinfo=UTC)),
            (WEEK_S, datetime(2025, 9, 1, tzinfo=UTC)),  # a Monday
        ],
    )
    def test_steps_begin_where_calendars_say(self, store: Store, step_s: int, begins: datetime) -> None:
        """A moment just before midnight on a Wednesday belongs to its hour, its day, and the week from Monday on."""
        decide(store, "d", create_time=datetime(2025, 9, 3, 23, 59, 59, 999_999, tzinfo=UTC))

        (only,) = store.volumes(ALWAYS, step_s=step_s)

        assert datetime.fromtimestamp(only.step_s, UTC) == begins

    def test_audits_tell_right_from_wrong(self, store: Store) -> None:
        """Each audit counts by its last word; undone is unanswered, an appeal that is granted makes it wrong."""
        right, wrong, undone, waiting, appealed = (audit(store, name, verdict="TAKEDOWN") for name in "abcde")
        missed = audit(store, "m", verdict="ALLOW", share=None, brand="Bravo")
        store.resolve_case(right, ruling(TAKEDOWN))
        store.resolve_case(wrong, ruling(ALLOW))
        resolution = store.resolve_case(undone, ruling(TAKEDOWN))
        store.undo_resolution(resolution.resolution_id, reason="no", time=NOON + 2 * HOUR)
        store.resolve_case(appealed, ruling(TAKEDOWN))
        store.add_appeal(an_appeal(store.get_case(appealed)), case=store.get_case(appealed))
        store.resolve_case(appealed, ruling(ALLOW, "ben", hours=5))
        store.resolve_case(missed, ruling(TAKEDOWN))
        open_case(store, "other")

        counts = store.audit_counts(ALWAYS)

        common = {"brand": "Acme", "verdict": "TAKEDOWN", "chance": 0.01}
        assert store.get_case(waiting).state is CaseState.OPEN
        assert set(counts) == {
            AuditCount(**common, infringing=True, count=1),  # type: ignore[arg-type]
            AuditCount(**common, infringing=False, count=2),  # type: ignore[arg-type]
            AuditCount(**common, infringing=None, count=2),  # type: ignore[arg-type]
            AuditCount(brand="Bravo", verdict="ALLOW", chance=None, infringing=True, count=1),
        }
        assert not store.audit_counts(Span(NOON + HOUR, ALWAYS.end))

    def test_reliability_cuts_equal_bins(self, store: Store) -> None:
        """Twenty verdicts make ten bins of two, in the order of their probabilities; what was undone is left out."""
        for number in range(21):
            case = open_case(store, f"d{number:02}", probability=number / 20)
            done = store.resolve_case(case.case_id, ruling(TAKEDOWN if number >= 10 else ALLOW))
        store.undo_resolution(done.resolution_id, reason="no", time=NOON + 2 * HOUR)

        bins = store.reliability(ALWAYS, brand="Acme")

        assert [one.infringing.count for one in bins] == [2] * 10
        assert [one.infringing.hits for one in bins] == [0] * 5 + [2] * 5
        assert (bins[0].low, bins[0].high, bins[0].said) == pytest.approx((0.0, 0.05, 0.025))
        assert store.reliability(ALWAYS, brand="Bravo") == store.reliability(ALWAYS, audits_only=True) == ()

    def test_queue_is_counted_by_state_age_due_and_harm(self, store: Store) -> None:
        """What waits is counted from each side; the median is the older of two, a tenth of eleven is one."""
        assert math.isnan(store.queue_counts(now=NOON).median_age_s)
        for number in range(10):
            open_case(store, f"d{number}", create_time=NOON - number * HOUR, expected_harm=1.5, drawn=number < 2)
        late: dict[str, Any] = {"create_time": NOON - 40 * DAY, "due_time": NOON - HOUR}
        old = open_case(store, "old", expected_harm=20.0, origin=CaseOrigin.REPORT, **late)
        done = open_case(store, "done", drawn=True)
        store.claim_case(old.case_id, "ann", now=NOON, duration=HOUR)
        store.resolve_case(done.case_id, ruling(ALLOW, hours=0))

        counts = store.queue_counts(now=NOON)
        flow = store.queue_flow(Span(NOON - 7 * DAY, NOON + HOUR))

        assert counts.waiting == 11
        assert counts.states == {CaseState.OPEN: 10, CaseState.CLAIMED: 1}
        assert counts.origins == {CaseOrigin.SCREENING: 10, CaseOrigin.REPORT: 1}
        assert (sum(counts.ages_s), counts.ages_s[0], counts.ages_s[-1]) == (11, 1, 1)
        assert counts.due_in_s == (1, 0, 0, 0, 0)
        assert (counts.harms[3], counts.harms[-1], counts.drawn) == (10, 1, 2)
        assert (counts.median_age_s, counts.p90_age_s) == (5 * 3600, 9 * 3600)
        assert (flow.opened, flow.resolved, flow.resolved_drawn) == (11, 1, 1)

    def test_scores_and_prices_are_counted_before_and_since(self, store: Store) -> None:
        """Each decision is in the bin of its score and its price, of its brand and of all; the unknown is left out."""
        decide(store, "a", probability=0.5, price_ratio=0.1, create_time=NOON - DAY)
        decide(store, "b", probability=1.0, price_ratio=9.0, brand="Bravo")
        decide(store, "c", probability=0.0)
        decide(store, "unknown")

        scores, prices = store.histograms(ALWAYS, window=NOON)

        def at(edges: tuple[float, ...], *values: float) -> tuple[int, ...]:
            bins = [0] * (len(edges) - 1)
            for value in values:
                bins[min(sum(value >= edge for edge in edges[1:]), len(bins) - 1)] += 1
            return tuple(bins)

        assert scores.reference == {"": at(SCORE_EDGES, 0.5), "Acme": at(SCORE_EDGES, 0.5)}
        assert scores.window["Acme"] == at(SCORE_EDGES, 0.0)
        assert scores.window[""] == at(SCORE_EDGES, 0.0, 1.0)
        assert prices.reference == {"": at(PRICE_EDGES, 0.1), "Acme": at(PRICE_EDGES, 0.1)}
        assert prices.window == {"": at(PRICE_EDGES, 9.0), "Bravo": at(PRICE_EDGES, 9.0)}
        assert set(store.histograms(ALWAYS, window=NOON, brand="Bravo")[0].window) == {"Bravo", ""}
        assert store.price_ratios("Acme", ALWAYS, most=5) == ((NOON - DAY, 0.1),)

    def test_second_reviews_confirm_or_overrule(self, store: Store) -> None:
        """Of two takedowns of high impact one is confirmed and one overruled; both people's answers stay on record."""
        for name, outcome in (("a", TAKEDOWN), ("b", ALLOW)):
            case = open_case(store, name, expected_harm=9.0)
            claim_and_resolve(store, case.case_id, "ann", TAKEDOWN, held_s=20, second_review_harm=8.0)
            store.resolve_case(case.case_id, ruling(outcome, "ben", hours=30, second_review_harm=8.0))

        ann, ben = (store.reviewed(f"~{who}", ALWAYS) for who in ("ann", "ben"))

        assert (ann.confirmed.hits, ann.confirmed.count, ann.undone.hits) == (1, 2, 0)
        assert (ann.answers, ann.median_handling_s, ann.timed) == (2, 20.0, 2)
        assert [(day, count) for day, count in ann.days] == [(int(NOON.timestamp()) // DAY_S * DAY_S, 2)]
        assert (ben.answers, ben.confirmed.count, ben.timed) == (2, 0, 0)
        assert math.isnan(ben.median_handling_s)
        assert [(one.reviewer, one.answers) for one in store.list_reviewers(ALWAYS)] == [("~ann", 2), ("~ben", 2)]
        assert [one.reviewer for one in store.list_reviewers(ALWAYS, offset=1, limit=1)] == ["~ben"]

    def test_appeals_and_undoing_count_against_who_decided(self, store: Store) -> None:
        """An answer that an appeal took back and one that a colleague undid are told; what ann undid herself is not."""
        appealed, undone, own = (open_case(store, name) for name in "abc")
        store.resolve_case(appealed.case_id, ruling(TAKEDOWN))
        store.add_appeal(an_appeal(appealed), case=appealed)
        store.resolve_case(appealed.case_id, ruling(ALLOW, "ben", hours=3))
        for case, who in ((undone, "~ben"), (own, "~ann")):
            resolution = store.resolve_case(case.case_id, ruling(TAKEDOWN))
            store.undo_resolution(resolution.resolution_id, reason="no", time=NOON + 2 * HOUR, reviewer=who)

        ann = store.reviewed("~ann", ALWAYS)

        assert (ann.upheld.hits, ann.upheld.count) == (0, 1)
        assert (ann.undone.hits, ann.undone.count) == (1, 3)
        assert store.reviewed("~ben", ALWAYS).upheld.count == 0

    def test_seller_has_months_and_last_decisions(self, store: Store) -> None:
        """Decisions are counted by month and verdict, and the last ones say what is in force."""
        decide(store, "old", create_time=NOON - 40 * DAY, verdict="ALLOW", probability=0.125)
        case = open_case(store, "new")
        store.resolve_case(case.case_id, ruling(TAKEDOWN))

        history = store.seller_history("s1", since=NOON - 365 * DAY, latest=5)

        assert history.months == {
            datetime(2025, 7, 1, tzinfo=UTC): {"ALLOW": 1},
            datetime(2025, 9, 1, tzinfo=UTC): {"REVIEW": 1},
        }
        told = [(one.decision_id, one.verdict, one.in_force, one.probability) for one in history.decisions]
        assert told == [("new", "REVIEW", "TAKEDOWN", None), ("old", "ALLOW", "ALLOW", 0.125)]
        assert store.seller_history("nobody", since=NOON, latest=5).decisions == ()

    def test_ring_tells_who_shares_what(self, store: Store) -> None:
        """A ring's links and its members' records are read back, and a new run replaces them."""
        decide(store, "d")
        link = RingLink(first_seller_id="s1", second_seller_id="s2", photos=3, titles=1)
        ring = Ring(seller_ids=("s1", "s2"), shared_photos=3, shared_titles=1, links=(link,))

        store.put_rings([ring], now=NOON)

        assert store.ring_links(ring.ring_id) == (link,)
        assert store.ring_tallies(ring.ring_id) == (("s1", 1, 0), ("s2", 0, 0))
        store.put_rings([], now=NOON)
        assert store.ring_links(ring.ring_id) == ()


class TestSqliteInsight(OnSqlite, InsightContract):
    """In one file."""


class TestPostgresInsight(OnPostgres, InsightContract):
    """On a server."""
