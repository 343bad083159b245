"""Does this replica know what its caller wrote? An interceptor that lets a call wait for a version of the index.

Whoever changes the registry learns a version of the index, such as "42-1f9a03cc". Sent along as the metadata
`touchstone-min-index-version` of any call to any replica, it is answered from an index of at least that version: the
replica reads what it lacks from the store first, and the call's deadline goes on meanwhile. That is milliseconds of
work; seconds only where a brand changed and there are thousands of them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing

import grpc

from index.refresh import Holder
from serving.errors import FieldViolation, IndexBehind, InvalidListing
from serving.interceptor import Behaviour, Context, Handler, Item, behaviour_of, rewrapped
from serving.knowledge import Knowledge, catch_up

MIN_INDEX_VERSION = "touchstone-min-index-version"


class ReadYourWrite(grpc.aio.ServerInterceptor):
    """Brings the knowledge up to the version that a call asks for before the call begins."""

    def __init__(self, knowledge: Holder[Knowledge]) -> None:
        self._knowledge = knowledge

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of a call that asks for a version; callers are let in before the wait begins."""
        handler = await continuation(handler_call_details)
        asks = any(key == MIN_INDEX_VERSION for key, _ in handler_call_details.invocation_metadata or ())
        if handler is None or not asks:
            return handler
        behaviour = behaviour_of(handler)
        wrap = self._yielding if inspect.isasyncgenfunction(behaviour) else self._returning
        return rewrapped(handler, wrap(behaviour), handler.request_deserializer)

    def _returning(self, behaviour: Behaviour) -> Behaviour:
        async def call(request: Item, context: Context) -> Item:
            await self._wait(context)
            return await behaviour(request, context)

        return call

    def _yielding(self, behaviour: Behaviour) -> Behaviour:
        async def call(request: Item, context: Context) -> AsyncIterator[Item]:
            await self._wait(context)
            async with aclosing(behaviour(request, context)) as responses:
                async for response in responses:
                    yield response

        return call

    async def _wait(self, context: Context) -> None:
        wanted = wanted_version(context.invocation_metadata() or ())
        if not self._knowledge.current.reaches(wanted):
            await asyncio.to_thread(reach, self._knowledge, wanted)


def wanted_version(metadata: Iterable[tuple[str, str | bytes]]) -> int:
    """Read which version of the store the index must have reached; 0 when the call does not say.

    Raises InvalidListing when what it says is no version of an index.
    """
    wanted = 0
    for key, value in metadata:
        if key == MIN_INDEX_VERSION:
            number = str(value).partition("-")[0]
            if not (number.isascii() and number.isdecimal()):
                description = (
                    f"{str(value)[:40]!r} is no version of an index; send what an answer gave, such as 42-1f9a03cc"
                )
                raise InvalidListing((FieldViolation(MIN_INDEX_VERSION, description),))
            wanted = max(wanted, int(number))
    return wanted


def reach(knowledge: Holder[Knowledge], wanted: int) -> None:
    """Bring the index and the names of brands to the version `wanted` of the store at least.

    Raises:
        IndexBehind: the store has not got so far.
        StoreError: it cannot be read.

    """
    catch_up(knowledge, wanted)
    reached = knowledge.current.catalogue.store_version
    if reached < wanted:
        raise IndexBehind(
            f"{MIN_INDEX_VERSION} asks for version {wanted}, but this replica's store is at {reached}: it may lag "
            "behind the one that was written to; try again with back-off, or on another replica"
        )
