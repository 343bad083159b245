"""How is a stream of requests answered? Several at once, each as it is done, and none that was taken in is lost.

Used by `serving.servicers`. Reading waits while enough requests are in work, so that HTTP/2 slows a fast writer down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")


class Interrupted(Exception):
    """Reading ended before the stream did; everything that was taken in is answered."""


async def answer_each(
    requests: AsyncIterator[Request],
    answer: Callable[[int, Request], Coroutine[Any, Any, Response]],
    *,
    at_once: int,
    stop: asyncio.Event,
) -> AsyncIterator[Response]:
    """Yield `answer(position, request)` for each request, in the order of completion, `at_once` at a time.

    Raises:
        Interrupted: `stop` was set while there might have been more to read.
        Exception: whatever reading raised, after the requests before it were answered.

    """
    answering: set[asyncio.Task[Response]] = set()
    stopping = asyncio.create_task(stop.wait())
    reading: asyncio.Task[tuple[Request, ...]] | None = read_next(requests)
    failure: BaseException | None = None
    position = 0
    try:
        while reading or answering:
            wanted: set[asyncio.Task[Any]] = {reading, stopping} if reading and len(answering) < at_once else set()
            done, _ = await asyncio.wait(answering | wanted, return_when=asyncio.FIRST_COMPLETED)
            for answered in answering & done:
                answering.discard(answered)
                yield answered.result()
            if reading and stopping in done:
                reading.cancel()
                reading, failure = None, Interrupted()
            elif reading and reading in done:
                taken = () if (failure := reading.exception()) else reading.result()
                for request in taken:
                    answering.add(asyncio.create_task(answer(position, request)))
                    position += 1
                reading = read_next(requests) if taken else None
        if failure:
            raise failure
    finally:
        for task in (*answering, stopping, *filter(None, [reading])):
            task.cancel()


def read_next(requests: AsyncIterator[Request]) -> asyncio.Task[tuple[Request, ...]]:
    """Begin to read the next request; an empty tuple is the end."""

    async def read() -> tuple[Request, ...]:
        try:
            return (await anext(requests),)
        except StopAsyncIteration:
            return ()

    return asyncio.create_task(read())
