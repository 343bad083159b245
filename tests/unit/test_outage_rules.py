"""Whatever is away, no listing is let through for want of it; and nobody waits for what does not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from index.errors import Conflict, NotFound, StoreAway, StoreError
from serving.deadline import Deadline
from serving.domain import Category, Decision, Reason, Verdict
from serving.errors import DeadlineExceeded
from serving.outage.guard import StoreGuard
from serving.outage.rules import ends_the_listing, fault_of, staleness, store_is_away, unrecorded
from vision.errors import ModelError, ModelUnavailable

PATIENCE_S = 30.0


def _decision(verdict: Verdict, *reasons: str) -> Decision:
    return Decision(
        decision_id="first",
        listing_id="l",
        verdict=verdict,
        counterfeit_probability=0.1,
        reasons=tuple(Reason(code, code) for code in reasons),
        evidence=(),
        category=Category(),
        description="",
        attributes=(),
        image_results=(),
        model_fingerprint="m",
        index_version="7-abc",
        policy_version="p@1",
        create_time=datetime(2026, 3, 1, tzinfo=UTC),
        certificate_id="c" if verdict is Verdict.TAKEDOWN else "",
    )


@pytest.mark.parametrize(
    ("verdict", "reasons", "expected"),
    [
        (Verdict.ALLOW, (), Verdict.REVIEW),
        (Verdict.REVIEW, ("PRICE_LOW",), Verdict.REVIEW),
        (Verdict.TAKEDOWN, ("KNOWN_COUNTERFEIT",), Verdict.TAKEDOWN),
        (Verdict.TAKEDOWN, ("STORE_UNAVAILABLE",), Verdict.REVIEW),
        (Verdict.TAKEDOWN, ("STAGE_FAILED",), Verdict.REVIEW),
    ],
)
def test_what_is_not_recorded_is_never_allowed(verdict: Verdict, reasons: tuple[str, ...], expected: Verdict) -> None:
    """REVIEW at least, with the reason first; a takedown stands only when nothing is missing."""
    answer = unrecorded(_decision(verdict, *reasons), decision_id="second")

    assert answer.verdict is expected
    assert [reason.code for reason in answer.reasons] == ["STORE_UNAVAILABLE", *reasons]
    assert answer.decision_id == "second"
    assert answer.certificate_id == ("c" if expected is Verdict.TAKEDOWN else "")
    assert (answer.index_version, answer.policy_version) == ("7-abc", "p@1")


@pytest.mark.parametrize(
    ("stage", "error", "ends"),
    [
        ("embed", ModelUnavailable("away"), True),
        ("embed", ModelError("3 answers for 4 crops"), False),
        ("embed", ValueError("a defect"), False),
        ("read", ModelUnavailable("away"), False),
        ("records", StoreAway("away"), False),
    ],
)
def test_only_a_model_out_of_reach_ends_a_listing(stage: str, error: Exception, ends: bool) -> None:
    """What could not be seen at all is asked again; what failed for one listing leaves a reason."""
    assert ends_the_listing(stage, error) == ends


def test_the_stores_answers_are_no_absence() -> None:
    """Not to find something, or to refuse it, is an answer."""
    assert [store_is_away(error) for error in (StoreError(), StoreAway(), NotFound(), Conflict(), OSError())] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert fault_of("records", StoreError()).code == "STORE_UNAVAILABLE"
    assert fault_of("read", ModelUnavailable()).code == "STAGE_FAILED"


def test_a_stale_index_is_said_with_its_version() -> None:
    """From the limit on; where nothing renews it there is nothing to say."""
    assert staleness(None, 300, "7-abc") is None
    assert staleness(300, 300, "7-abc") is None
    reason = staleness(301, 300, "7-abc")
    assert reason is not None
    assert reason.code == "INDEX_STALE"
    assert "7-abc" in reason.text
    assert "301 s" in reason.text


class _Store:
    """A store that hangs or fails as it is told."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.fault: Exception | None = None

    def ping(self) -> str:
        self.answers.wait(PATIENCE_S)
        if self.fault is not None:
            raise self.fault
        return "here"


@contextmanager
def _guarded(store: _Store, *, patience_s: float = 0.05, at_once: int = 2) -> Iterator[StoreGuard]:
    with StoreGuard(store.ping, patience_s=patience_s, at_once=at_once) as guard, guard.probing(interval_s=0.01):
        try:
            yield guard
        finally:
            store.answers.set()


def _until(guard: StoreGuard, *, away: bool) -> None:
    given_up = time.monotonic() + PATIENCE_S
    while (guard.away_since is not None) != away:
        assert time.monotonic() < given_up
        threading.Event().wait(0.005)


def test_a_store_that_answers_is_asked() -> None:
    """Its answers and its refusals come through, and neither makes it count as away."""
    store = _Store()

    def refuse() -> None:
        raise NotFound("no such thing")

    with _guarded(store, patience_s=PATIENCE_S) as guard:
        assert guard.ask(store.ping) == "here"
        with pytest.raises(NotFound):
            guard.ask(refuse)
        guard.check()


def test_a_store_that_fails_is_not_asked_until_it_is_back() -> None:
    """From the first failure on; a probe finds it again."""
    store = _Store()
    with _guarded(store, patience_s=PATIENCE_S) as guard:
        store.fault = StoreError("connection refused")
        with pytest.raises(StoreError, match="connection refused"):
            guard.ask(store.ping)
        with pytest.raises(StoreAway):
            guard.ask(lambda: pytest.fail("it was asked"))

        store.fault = None
        _until(guard, away=False)

        assert guard.ask(store.ping) == "here"


def test_nobody_waits_for_a_store_that_hangs() -> None:
    """The probe finds out by itself; whoever asked before that waits for the guard's patience."""
    store = _Store()
    with _guarded(store) as guard:
        store.answers.clear()
        began = time.monotonic()
        with pytest.raises(StoreAway):
            guard.ask(store.ping)
        assert time.monotonic() - began < PATIENCE_S / 2
        _until(guard, away=True)

        store.answers.set()
        _until(guard, away=False)


def test_a_caller_in_a_hurry_does_not_declare_the_store_away() -> None:
    """When its time is over that is its own deadline, and the others go on asking."""
    store = _Store()
    with StoreGuard(store.ping, patience_s=PATIENCE_S, at_once=2) as guard, guard.probing(interval_s=PATIENCE_S):
        store.answers.clear()
        with pytest.raises(DeadlineExceeded):
            guard.ask(store.ping, deadline=Deadline.after(0.05))

        assert guard.away_since is None
        store.answers.set()


def test_questions_given_up_do_not_pile_up() -> None:
    """So many may be open; the next one waits for room, and is asked once there is some."""
    store, asked = _Store(), 0

    def question() -> str:
        nonlocal asked
        asked += 1
        return store.ping()

    with StoreGuard(store.ping, patience_s=PATIENCE_S, at_once=2) as guard, guard.probing(interval_s=PATIENCE_S):
        store.answers.clear()
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                guard.ask(question, deadline=Deadline.after(0.02))
        open_ones = asked
        store.answers.set()

        assert guard.ask(question) == "here"
        assert (open_ones, asked) == (2, 3)


def test_a_command_asks_without_bounds() -> None:
    """Nobody waits for its answer in seconds, and nothing would find a store again that it gave up."""
    store = _Store()
    with StoreGuard(store.ping, patience_s=0.0, at_once=1) as guard:
        assert guard.ask(store.ping) == "here"
        store.fault = StoreError("refused")
        with pytest.raises(StoreError, match="refused"):
            guard.ask(store.ping)

        assert guard.away_since is None
