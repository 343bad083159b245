"""Do slow calls leave threads to the others? Those of one kind, which take turns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.errors import Overloaded
from serving.work import Turns, Work

PATIENCE_S = 20.0


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Two threads."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_a_turn_is_kept_by_whoever_has_left(threads: ThreadPoolExecutor) -> None:
    """A caller that goes and comes again takes no second thread, and its failure is nobody's."""
    work = Work(threads, max_waiting=8)
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
    turns = Turns(Work(threads, max_waiting=8), at_once=1, max_waiting=1)
    ending = threading.Event()
    calls = [asyncio.create_task(turns.run(lambda: ending.wait(PATIENCE_S))) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await turns.run(ending.is_set)
    ending.set()

    assert await asyncio.gather(*calls) == [True, True]
