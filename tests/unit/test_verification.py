"""Does the verification of a seller move as it may, lapse in time, and begin where the law asks? All transitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from index.verification import (
    CERTIFIED_FOR,
    ForbiddenTransition,
    VerificationEvent,
    VerificationState,
    advance,
    certify_by,
    collect_by,
    is_disclosed,
    is_high_volume,
    state_at,
    verify_by,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATES, EVENTS = VerificationState, VerificationEvent
ALLOWED = {
    (STATES.UNVERIFIED, EVENTS.COLLECTED): STATES.PENDING,
    (STATES.PENDING, EVENTS.COLLECTED): STATES.PENDING,
    (STATES.PENDING, EVENTS.PASSED): STATES.VERIFIED,
    (STATES.PENDING, EVENTS.FAILED): STATES.FAILED,
    (STATES.VERIFIED, EVENTS.COLLECTED): STATES.PENDING,
    (STATES.VERIFIED, EVENTS.PASSED): STATES.VERIFIED,
    (STATES.VERIFIED, EVENTS.FAILED): STATES.FAILED,
    (STATES.VERIFIED, EVENTS.LAPSED): STATES.EXPIRED,
    (STATES.FAILED, EVENTS.COLLECTED): STATES.PENDING,
    (STATES.FAILED, EVENTS.FAILED): STATES.FAILED,
    (STATES.EXPIRED, EVENTS.COLLECTED): STATES.PENDING,
    (STATES.EXPIRED, EVENTS.PASSED): STATES.VERIFIED,
    (STATES.EXPIRED, EVENTS.FAILED): STATES.FAILED,
}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("state", STATES)
def test_only_what_may_follow_follows(state: VerificationState, event: VerificationEvent) -> None:
    """Every pair of state and event either leads where it should, or is refused with what could follow."""
    if (state, event) in ALLOWED:
        assert advance(state, event) is ALLOWED[state, event]
    else:
        with pytest.raises(ForbiddenTransition, match=rf"'{event}' cannot follow {state}; what can is '"):
            advance(state, event)


def test_verification_lapses_after_a_year() -> None:
    """To the moment a year after the certification it holds; a state that is not VERIFIED never lapses."""
    end = NOON + CERTIFIED_FOR

    assert state_at(STATES.VERIFIED, NOON, end) is STATES.VERIFIED
    assert state_at(STATES.VERIFIED, NOON, end + timedelta(seconds=1)) is STATES.EXPIRED
    assert state_at(STATES.VERIFIED, None, end) is STATES.VERIFIED
    assert state_at(STATES.PENDING, NOON, end + timedelta(days=400)) is STATES.PENDING


@pytest.mark.parametrize(
    ("sales", "usd", "high", "disclosed"),
    [
        (199, "1000000", False, False),
        (200, "4999.99", False, False),
        (200, "5000", True, False),
        (200, "19999.99", True, False),
        (200, "20000", True, True),
        (199, "20000", False, False),
    ],
)
def test_thresholds_of_the_inform_act(sales: int, usd: str, high: bool, disclosed: bool) -> None:
    """200 sales and $5,000 make a high-volume seller; $20,000 make one whom buyers are told of."""
    assert is_high_volume(sales, Decimal(usd)) is high
    assert is_disclosed(sales, Decimal(usd)) is disclosed


def test_deadlines_of_the_inform_act() -> None:
    """Ten days to collect, ten to verify, a year to certify again."""
    assert collect_by(NOON) - NOON == verify_by(NOON) - NOON == timedelta(days=10)
    assert certify_by(NOON) - NOON == timedelta(days=365)
