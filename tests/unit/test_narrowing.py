"""Too few notices upheld, of enough decided, and an owner's references wait for a person."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from index.brand_records import Right, RightType
from index.portal_records import LEAST_DECIDED, NoticeTally
from index.records import ReferenceScope, ReferenceState
from index.right_numbers import number_fault
from serving.access.caller import Caller
from serving.narrowing import unless_narrowed
from serving.scoping import Assessment

OWNER = Caller("o", frozenset({"brand-owner"}), frozenset({"acme"}))
ACTIVE = Assessment(
    scope=ReferenceScope(false_matches_per_million=0.0, background_images=0, collisions=0),
    collisions=(),
    state=ReferenceState.ACTIVE,
    reason="fine",
)


@dataclass(frozen=True)
class Notices:
    """A store that knows one tally."""

    tally: NoticeTally

    def notice_tally(self, brand_id: str) -> NoticeTally:
        """Return it."""
        assert brand_id == "acme"
        return self.tally


def tally(upheld: int, declined: int) -> NoticeTally:
    """Make a tally."""
    return NoticeTally(waiting=0, upheld=upheld, declined=declined)


@pytest.mark.parametrize(
    ("upheld", "declined", "narrowed"),
    [
        (18, 2, False),
        (17, 3, True),
        (0, LEAST_DECIDED - 1, False),
        (0, LEAST_DECIDED, True),
        (90, 10, False),
        (0, 0, False),
    ],
)
def test_narrowed(upheld: int, declined: int, narrowed: bool) -> None:
    """From 90% on nothing changes, and with fewer than twenty decided nothing is known yet."""
    found = unless_narrowed(ACTIVE, "acme", OWNER, store=Notices(tally(upheld, declined)))

    assert (found.state is ReferenceState.QUARANTINED) == narrowed


def test_others_are_not_narrowed() -> None:
    """A lead's reference is active all the same."""
    lead = Caller("l", frozenset({"lead"}))

    assert unless_narrowed(ACTIVE, "acme", lead, store=Notices(tally(0, 100))) is ACTIVE


def test_interval_holds_the_share() -> None:
    """It narrows with what is decided, and reaches the end where nothing was on the other side."""
    few, many = tally(9, 1), tally(90, 10)

    assert few.interval[0] < many.interval[0] < 0.9 < many.interval[1] < few.interval[1]
    assert tally(10, 0).interval[1] == 1.0
    assert tally(0, 10).interval[0] == 0.0
    assert (tally(0, 0).acceptance, tally(0, 0).interval) == (None, (0.0, 1.0))
    assert few.interval == pytest.approx((0.619, 0.989), abs=1e-3)  # R: qbeta(c(.025, .975), 9.5, 1.5)


@pytest.mark.parametrize(
    ("office", "kind", "number", "sound"),
    [
        ("EM", RightType.WORD_MARK, "004 176 283", True),
        ("EM", RightType.WORD_MARK, "4176283", False),
        ("EM", RightType.DESIGN, "001234567-0001", True),
        ("EM", RightType.DESIGN, "001234567", False),
        ("US", RightType.WORD_MARK, "1,234,567", True),
        ("US", RightType.WORD_MARK, "RE12", False),
        ("GB", RightType.FIGURATIVE_MARK, "UK00003456789", True),
        ("CN", RightType.WORD_MARK, "1234567A", True),
        ("WO", RightType.WORD_MARK, "1234567B", True),
        ("DE", RightType.WORD_MARK, "30 2008 012 345", True),
        ("EM", RightType.COPYRIGHT, "anything", True),
    ],
)
def test_registration_number(office: str, kind: RightType, number: str, sound: bool) -> None:
    """The larger offices' numbers have a form; what an office is not known for is taken as it is."""
    right = Right(right_id="r", type=kind, office_code=office, registration_number=number)

    assert (number_fault(right) == "") == sound
