"""Do slow calls leave threads to the others? Those of one kind, which take turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.deadline import Deadline
from serving.errors import Overloaded
from serving.pace import Pace, until_free
from serving.work import Turns, Work

PATIENCE_S = 20.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Two threads."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_a_turn_is_kept_by_whoever_has_left(threads: ThreadPoolExecutor) -> None:
    """A caller that goes and comes again takes no second thread, and its failure is nobody's."""
    work = Work(threads, at_once=2, max_waiting=8)
    turns = Turns(work, at_once=1, max_waiting=1)
    begun, ending, second = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        ending.wait(PATIENCE_S)
        raise ValueError

    leaving = asyncio.create_task(turns.run(slow))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    leaving.cancel()
    coming = asyncio.create_task(turns.run(second.set))
    meanwhile = await work.run(second.is_set)
    ending.set()
    await coming

    assert leaving.cancelled()
    assert not meanwhile
    assert second.is_set()


async def test_only_so_many_wait_for_their_turn(threads: ThreadPoolExecutor) -> None:
    """The next one is refused, and the others are answered."""
    turns = Turns(Work(threads, at_once=2, max_waiting=8), at_once=1, max_waiting=1)
    ending = threading.Event()
    calls = [asyncio.create_task(turns.run(lambda: ending.wait(PATIENCE_S))) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await turns.run(ending.is_set)
    ending.set()

    assert await asyncio.gather(*calls) == [True, True]


async def test_a_stream_does_not_take_the_threads_of_single_calls() -> None:
    """Each rpc has one turn a round: a call that came behind ten items of a stream goes second."""
    order: list[str] = []
    begun, ending = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        ending.wait(PATIENCE_S)

    with ThreadPoolExecutor(1) as pool:
        work = Work(pool, at_once=1, max_waiting=64)
        calls = [asyncio.create_task(work.run(hold))]
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        calls += [asyncio.create_task(work.run(lambda: order.append("item"), rpc="stream")) for _ in range(10)]
        calls += [asyncio.create_task(work.run(lambda: order.append("call"))) for _ in range(2)]
        await asyncio.sleep(0)
        ending.set()
        await asyncio.gather(*calls)

    assert order == ["item", "call", "call", *["item"] * 9]


async def test_who_leaves_while_waiting_keeps_no_thread(threads: ThreadPoolExecutor) -> None:
    """A caller that goes before its turn leaves it to the next."""
    work = Work(threads, at_once=1, max_waiting=8)
    begun, ending = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        ending.wait(PATIENCE_S)

    holding = asyncio.create_task(work.run(hold))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    leaving, staying = asyncio.create_task(work.run(begun.is_set)), asyncio.create_task(work.run(begun.is_set))
    await asyncio.sleep(0)
    leaving.cancel()
    ending.set()

    assert await asyncio.wait_for(staying, PATIENCE_S)
    await holding
    assert await asyncio.wait_for(work.run(begun.is_set), PATIENCE_S)
    await asyncio.wait_for(work.finished(), PATIENCE_S)


async def test_who_would_not_have_a_turn_in_time_is_refused(threads: ThreadPoolExecutor) -> None:
    """By what calls took lately the line is longer than the deadline: refused at once, with when to come back."""
    work = Work(threads, at_once=1, max_waiting=8)
    ending = threading.Event()
    for _ in range(3):
        work._pace.note(10.0)
    calls = [asyncio.create_task(work.run(lambda: ending.wait(PATIENCE_S))) for _ in range(3)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded, match=r"take about 20\.0 s, and the deadline leaves") as caught:
        await work.run(ending.is_set, deadline=Deadline.after(5.0))
    patient = asyncio.create_task(work.run(ending.is_set, deadline=Deadline.after(60.0)))
    ending.set()

    assert caught.value.retry_after_s == pytest.approx(20.0)
    assert await asyncio.gather(*calls, patient) == [True] * 4


async def test_a_full_house_says_when_it_will_have_emptied(threads: ThreadPoolExecutor) -> None:
    """The time to come back is measured: what is in work, at the pace of the last calls."""
    work = Work(threads, at_once=2, max_waiting=4)
    ending = threading.Event()
    for _ in range(3):
        work._pace.note(3.0)
    calls = [asyncio.create_task(work.run(lambda: ending.wait(PATIENCE_S))) for _ in range(4)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded, match="4 requests are in work") as caught:
        await work.run(ending.is_set)
    ending.set()
    await asyncio.gather(*calls)

    assert caught.value.retry_after_s == pytest.approx(6.0)


def test_little_was_measured_and_nothing_is_said() -> None:
    """A first pass that compiles moves no estimate; then the median speaks, whatever one slow pass took."""
    pace = Pace()
    pace.note(60.0)
    assert pace.seconds_for(5) == 0.0

    for _ in range(4):
        pace.note(2.0, count=4)

    assert pace.seconds_for(5) == pytest.approx(2.5)
    assert [until_free(seconds) for seconds in (0.0, 7.0, 1e6)] == [0.1, 7.0, 60.0]
