"""How does every failure of an rpc reach the client as the right status? One interceptor around our own services.

grpc.aio answers bytes that are no message of the expected type with an opaque code, and any exception with UNKNOWN. Here
the deserialiser never raises, and whatever an rpc raises goes through `serving.status`: declared errors with their
details, the rest as INTERNAL with a logged traceback.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from serving.status import answer_to, to_status

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # subscriptable for type checkers only
Behaviour = Callable[[Any, Context], Any]


@dataclass(frozen=True)
class _Malformed:
    error: DecodeError


class StatusInterceptor(grpc.aio.ServerInterceptor):
    """Gives each rpc under `prefix` a deserialiser that cannot fail and a status for every exception."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler that would be called; foreign services and unknown methods pass untouched."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        # One without a deserialiser takes bytes as they come and has nothing to be protected from.
        if handler is None or handler.request_deserializer is None or not method.startswith(self._prefix):
            return handler
        wrap = _stream_out if handler.response_streaming else _single_out
        kind = f"{'stream' if handler.request_streaming else 'unary'}_{'stream' if handler.response_streaming else 'unary'}"
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        behaviour = wrap(getattr(handler, kind), method)
        wrapped: Handler = make(behaviour, _tolerant(handler.request_deserializer), handler.response_serializer)
        return wrapped


def _tolerant(deserialise: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def parse(data: bytes) -> Any:
        try:
            return deserialise(data)
        except DecodeError as error:
            return _Malformed(error)

    return parse


def _single_out(behaviour: Behaviour, method: str) -> Behaviour:
    async def call(request: Any, context: Context) -> Any:
        async with _reporting(context, method):
            return await behaviour(_checked(request), context)

    return call


def _stream_out(behaviour: Behaviour, method: str) -> Behaviour:
    async def call(request: Any, context: Context) -> AsyncIterator[Any]:
        async with _reporting(context, method):
            async for response in behaviour(_checked(request), context):
                yield response

    return call


def _checked(request: Any) -> Any:
    """Raise for a malformed message; of a stream, wrap the iterator so that it raises at the malformed item."""
    if isinstance(request, _Malformed):
        raise request.error
    return _items(request) if hasattr(request, "__aiter__") else request


async def _items(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _checked(request)


@asynccontextmanager
async def _reporting(context: Context, method: str) -> AsyncIterator[None]:
    try:
        yield
    except (asyncio.CancelledError, grpc.aio.AbortError):
        raise
    except Exception as error:
        answer = answer_to(error)
        if answer.code is grpc.StatusCode.INTERNAL:
            log.exception("%s failed", method)
        elif answer.sentence:
            log.error("%s: %s", method, error)  # the client gets a general sentence, the operator this one
        await context.abort_with_status(rpc_status.to_status(to_status(error)))
