"""Are places given, refused and given back? By name, and all together."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from serving.errors import Overloaded
from serving.places import Places


def places() -> Places:
    """Make three places, two of one name."""
    return Places("bodies are arriving", most=3, of_one=2, retry_after_s=7.0)


def test_only_so_many_are_in_at_once() -> None:
    """The fourth is refused whoever it is, and told when to come back."""
    room = places()
    with ExitStack() as held:
        for name in ("a", "a", "b"):
            held.enter_context(room.taken(name))

        with pytest.raises(Overloaded, match="3 bodies are arriving already") as refused:
            held.enter_context(room.taken("c"))

    assert refused.value.retry_after_s == 7.0


def test_one_caller_leaves_room_for_others() -> None:
    """Whoever holds two is refused a third, in other words than when all are gone."""
    room = places()
    with room.taken("a"), room.taken("a"):
        with pytest.raises(Overloaded, match="2 bodies are arriving from your address"), room.taken("a"):
            pass
        with room.taken("b"):
            pass


def test_a_place_comes_back_whatever_happens() -> None:
    """Also when the block fails."""
    room = places()
    for _ in range(5):
        with pytest.raises(ValueError, match="why"), room.taken("a"):
            raise ValueError("why")

    with room.taken("a"), room.taken("a"):
        pass
