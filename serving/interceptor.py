"""How does every failure of an rpc reach the client as the right status? Interceptors around every service.

grpc.aio answers bytes that are no message of the expected type with an opaque code, and any exception with UNKNOWN.
Here the deserialiser never raises, and whatever an rpc raises goes through `serving.status`: declared errors with
their details, the rest as INTERNAL with a logged traceback.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from index.errors import StoreAway
from serving.status import answer_to, to_status
from serving.telemetry.request import note_failure

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # subscriptable for type checkers only
Item: TypeAlias = Any  # a message of the rpc, `_Malformed`, or an iterator of them
Behaviour = Callable[[Item, Context], Any]


@dataclass(frozen=True)
class _Malformed:
    error: DecodeError


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Gives each rpc, health's and reflection's too, a deserialiser that cannot fail and a status for every error."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler that would be called; unknown methods pass untouched."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        # One without a deserialiser takes bytes as they come and has nothing to be protected from.
        if handler is None or handler.request_deserializer is None:
            return handler
        behaviour = behaviour_of(handler)
        # A stream of responses is either yielded or, as health does, written to the context by a coroutine.
        wrap = _yielding if inspect.isasyncgenfunction(behaviour) else _returning
        return rewrapped(handler, wrap(behaviour, method), _tolerant(handler.request_deserializer))


class DrainInterceptor(grpc.aio.ServerInterceptor):
    """Answers each new rpc under `prefix` with UNAVAILABLE once `draining` is set; those that run are left alone.

    A server that is stopped instead drops what waits to be taken in, and its callers see CANCELLED.
    """

    def __init__(self, prefix: str, draining: asyncio.Event) -> None:
        self._prefix = prefix
        self._draining = draining

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Refuse, or pass on."""
        if self._draining.is_set() and handler_call_details.method.startswith(self._prefix):
            return grpc.stream_stream_rpc_method_handler(_refuse)  # which reads and writes any kind of rpc
        return await continuation(handler_call_details)


async def _refuse(_: Item, context: Context) -> None:
    note_failure("Draining")
    await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is draining; try again, elsewhere or with back-off")


def behaviour_of(handler: Handler) -> Behaviour:
    """Return the function behind a handler, of whichever of the four kinds it is."""
    behaviour: Behaviour = getattr(handler, _kind(handler))
    return behaviour


def rewrapped(handler: Handler, behaviour: Behaviour, deserialise: Callable[[bytes], Item] | None) -> Handler:
    """Make a handler of the same kind with another function and deserialiser."""
    make = getattr(grpc, f"{_kind(handler)}_rpc_method_handler")
    made: Handler = make(behaviour, deserialise, handler.response_serializer)
    return made


def _kind(handler: Handler) -> str:
    return "_".join("stream" if many else "unary" for many in (handler.request_streaming, handler.response_streaming))


def log_failure(method: str, error: Exception) -> None:
    """Log what the client is not told: a defect with its traceback, and what stands behind a general sentence."""
    note_failure(type(error).__name__)
    answer = answer_to(error)
    if answer.code is grpc.StatusCode.INTERNAL:
        log.error("%s failed", method, exc_info=error)
    elif isinstance(error, StoreAway):
        log.debug("%s: %s", method, error)  # an outage is said once, where it is found out
    elif answer.code is not grpc.StatusCode.INVALID_ARGUMENT and answer.sentence:
        log.error("%s: %s", method, error)


def _tolerant(deserialise: Callable[[bytes], Item]) -> Callable[[bytes], Item]:
    def parse(data: bytes) -> Item:
        try:
            return deserialise(data)
        except DecodeError as error:
            return _Malformed(error)

    return parse


def _returning(behaviour: Behaviour, method: str) -> Behaviour:
    async def call(request: Item, context: Context) -> Item:
        async with reporting(context, method):
            return await behaviour(_checked(request), context)

    return call


def _yielding(behaviour: Behaviour, method: str) -> Behaviour:
    async def call(request: Item, context: Context) -> AsyncIterator[Item]:
        # Closed here and not by the garbage collector: a stream that the client left must end its work at once.
        async with reporting(context, method), _closing(behaviour, request, context) as responses:
            async for response in responses:
                yield response

    return call


@asynccontextmanager
async def _closing(behaviour: Behaviour, request: Item, context: Context) -> AsyncIterator[AsyncIterator[Item]]:
    async with aclosing(behaviour(_checked(request), context)) as responses:
        yield responses


def _checked(request: Item) -> Item:
    """Raise for a malformed message; of a stream, wrap the iterator so that it raises at the malformed item."""
    if isinstance(request, _Malformed):
        raise request.error
    return _items(request) if hasattr(request, "__aiter__") else request


async def _items(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


@asynccontextmanager
async def reporting(context: Context, method: str) -> AsyncIterator[None]:
    """End an rpc with the status of whatever a block raises."""
    try:
        yield
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as error:  # noqa: BLE001 - the last place at which any of them can be answered
        log_failure(method, error)
        status = rpc_status.to_status(to_status(error))
        trailing = (*(context.trailing_metadata() or ()), *status.trailing_metadata)
        await context.abort(status.code, status.details, trailing)
