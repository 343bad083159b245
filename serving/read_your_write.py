"""Does this replica know what its caller wrote? An interceptor that lets a call wait for a version of the index.

Whoever changes the registry learns a version of the index, such as "42-1f9a03cc". Sent along as the metadata
`touchstone-min-index-version` of any call to any replica, it is answered from an index of at least that version: the
replica reads what it lacks from the store first, milliseconds of work, and the call's deadline goes on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeAlias

import grpc
from grpc_status import rpc_status

from index.refresh import Holder
from serving.errors import FieldViolation, IndexBehind, InvalidListing
from serving.knowledge import Knowledge
from serving.status import to_status
from vision.errors import TouchstoneError

MIN_INDEX_VERSION = "touchstone-min-index-version"

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # subscriptable for type checkers only


class ReadYourWrite(grpc.aio.ServerInterceptor):
    """Brings the knowledge up to the version that a call asks for before the call begins."""

    def __init__(self, knowledge: Holder[Knowledge]) -> None:
        self._knowledge = knowledge

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Pass the call on once the index is recent enough, or answer it with the error that is in the way."""
        try:
            wanted = wanted_version(handler_call_details.invocation_metadata or ())
            if wanted > self._knowledge.current.catalogue.store_version:
                await asyncio.to_thread(reach, self._knowledge, wanted)
        except TouchstoneError as error:
            return _refusing(error)
        return await continuation(handler_call_details)


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
    """Bring the index to the version `wanted` of the store at least.

    Raises:
        IndexBehind: the store has not got so far.
        StoreError: it cannot be read.

    """
    knowledge.refresh()
    reached = knowledge.current.catalogue.store_version
    if reached < wanted:
        raise IndexBehind(
            f"{MIN_INDEX_VERSION} asks for version {wanted}, but this replica's store is at {reached}: it may lag "
            "behind the one that was written to; try again with back-off, or on another replica"
        )


def _refusing(error: TouchstoneError) -> Handler:
    async def refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort_with_status(rpc_status.to_status(to_status(error)))

    return grpc.stream_stream_rpc_method_handler(refuse)  # which reads and writes any kind of rpc
