"""A deadline says how much time is left, and stops what would begin too late."""

from __future__ import annotations

import time

import pytest

from serving.deadline import NEVER, Deadline
from serving.errors import DeadlineExceeded


def test_no_deadline_never_passes() -> None:
    """Without an end there is no time left to count, and every stage may begin."""
    NEVER.check("search")

    assert NEVER.remaining is None
    assert Deadline.after(None) == NEVER == Deadline()


def test_remaining_time_runs_down_from_what_was_given() -> None:
    """The time left is at most what was given, and only gets less."""
    deadline = Deadline.after(60.0)

    first, second = deadline.remaining, deadline.remaining

    assert first is not None
    assert second is not None
    assert 0 < second <= first <= 60.0
    deadline.check("search")


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_passed_deadline_stops_the_next_stage_by_name(seconds: float) -> None:
    """When the time is over none is left, never less, and the error says which stage could not begin."""
    deadline = Deadline.after(seconds)

    assert deadline.remaining == 0.0
    with pytest.raises(DeadlineExceeded, match="before search; nothing was recorded"):
        deadline.check("search")


def test_deadline_is_a_point_in_time() -> None:
    """Handing a deadline on does not make it longer."""
    now = time.monotonic()

    deadline = Deadline(now - 1.0)

    assert deadline.at == now - 1.0
    assert deadline.remaining == 0.0
