"""Is a seller who they say they are, and what does the law ask next? Verification states, and INFORM's thresholds.

Pure rules: `index.store.identities` keeps the states, `touchstone sellers` shows them, and `serving.seller_evidence`
makes a fact of them. The thresholds are those of the INFORM Consumers Act, 15 U.S.C. 45f; a marketplace that sells
elsewhere too collects the same fields under DSA Art. 30(1).
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from decimal import Decimal


class VerificationState(enum.StrEnum):
    """Where the verification of a seller's identity stands."""

    UNVERIFIED = "UNVERIFIED"  # nothing, or not everything, was collected
    PENDING = "PENDING"  # collected, not checked yet
    VERIFIED = "VERIFIED"
    FAILED = "FAILED"  # checked, and not found to be true
    EXPIRED = "EXPIRED"  # was verified, but the seller has not certified it again within a year


class VerificationEvent(enum.StrEnum):
    """What moves a seller from one state to the next."""

    COLLECTED = "collected"  # everything that is required is there, and it is new
    PASSED = "passed"  # the check succeeded, or the seller certified again
    FAILED = "failed"
    LAPSED = "lapsed"  # a year went by without a certification


_STATES, _EVENTS = VerificationState, VerificationEvent

# What changed must be checked again, so whatever is collected anew is PENDING; a failure stands until then.
_TRANSITIONS: dict[VerificationState, dict[VerificationEvent, VerificationState]] = {
    _STATES.UNVERIFIED: {_EVENTS.COLLECTED: _STATES.PENDING},
    _STATES.PENDING: {
        _EVENTS.COLLECTED: _STATES.PENDING,
        _EVENTS.PASSED: _STATES.VERIFIED,
        _EVENTS.FAILED: _STATES.FAILED,
    },
    _STATES.VERIFIED: {
        _EVENTS.COLLECTED: _STATES.PENDING,
        _EVENTS.PASSED: _STATES.VERIFIED,
        _EVENTS.FAILED: _STATES.FAILED,
        _EVENTS.LAPSED: _STATES.EXPIRED,
    },
    _STATES.FAILED: {_EVENTS.COLLECTED: _STATES.PENDING, _EVENTS.FAILED: _STATES.FAILED},
    _STATES.EXPIRED: {
        _EVENTS.COLLECTED: _STATES.PENDING,
        _EVENTS.PASSED: _STATES.VERIFIED,
        _EVENTS.FAILED: _STATES.FAILED,
    },
}

# 15 U.S.C. 45f(a)(1)(B): the seller certifies at least once a year that everything still holds.
CERTIFIED_FOR = timedelta(days=365)
# 45f(a)(1)(A) and (a)(2)(A): ten days to provide the information, ten more to verify it.
TIME_TO_COLLECT = TIME_TO_VERIFY = timedelta(days=10)
# 45f(f)(3): a high-volume seller made as many sales of new goods, for at least so much, in any 12 months.
HIGH_VOLUME_SALES, HIGH_VOLUME_USD = 200, Decimal(5_000)
# 45f(b)(1): from so much a year on, buyers are told the name, the address and how to reach the seller.
DISCLOSED_FROM_USD = Decimal(20_000)


class ForbiddenTransition(ValueError):
    """The event cannot follow the state; the message names the events that can."""


def advance(state: VerificationState, event: VerificationEvent) -> VerificationState:
    """Return the state that follows. Raises ForbiddenTransition."""
    following = _TRANSITIONS[state]
    if event not in following:
        allowed = " or ".join(f"'{each}'" for each in following)
        raise ForbiddenTransition(f"'{event}' cannot follow {state}; what can is {allowed}")
    return following[event]


def state_at(state: VerificationState, certify_time: datetime | None, now: datetime) -> VerificationState:
    """Return the state as it is `now`: what was verified lapses a year after `certify_time`."""
    if state is VerificationState.VERIFIED and certify_time is not None and now > certify_time + CERTIFIED_FOR:
        return advance(state, VerificationEvent.LAPSED)
    return state


def is_high_volume(sales: int, usd: Decimal) -> bool:
    """Tell whether sales within 12 months, and what they brought, oblige the marketplace to know the seller."""
    return sales >= HIGH_VOLUME_SALES and usd >= HIGH_VOLUME_USD


def is_disclosed(sales: int, usd: Decimal) -> bool:
    """Tell whether buyers must be told who the seller is, from the sales of a year."""
    return is_high_volume(sales, usd) and usd >= DISCLOSED_FROM_USD


def collect_by(qualify_time: datetime) -> datetime:
    """Return until when a seller who became a high-volume one must have told who they are, or be suspended."""
    return qualify_time + TIME_TO_COLLECT


def verify_by(collect_time: datetime) -> datetime:
    """Return until when the marketplace must have verified what it collected."""
    return collect_time + TIME_TO_VERIFY


def certify_by(certify_time: datetime) -> datetime:
    """Return until when the seller must certify again, or be suspended."""
    return certify_time + CERTIFIED_FOR
