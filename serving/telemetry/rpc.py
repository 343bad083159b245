"""How does each rpc go? Counted, timed, traced and logged, in one line of the log, under a name of its own.

The outermost interceptor: what the others refuse is seen as well. A caller may name its request in the metadata
`x-request-id`, and learns its name from the trailing metadata of the answer, whatever that is.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import grpc

from serving.interceptor import Behaviour, Context, Handler, Item, behaviour_of, rewrapped
from serving.telemetry.metrics import REFUSALS, RPC_SECONDS, RPCS_IN_FLIGHT
from serving.telemetry.request import REQUEST_ID, Request, begin_request
from serving.telemetry.telemetry import Telemetry

log = logging.getLogger("touchstone.access")

_OURS = "touchstone.moderation.v1."
# Asked by machines every few seconds: told at the level of details.
_PROBES = "grpc.health."


class RequestInterceptor(grpc.aio.ServerInterceptor):
    """Stands around every rpc that there is. What is no rpc of this server's is answered by gRPC alone."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler that would be called."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        behaviour = behaviour_of(handler)
        rpc = handler_call_details.method.removeprefix("/").removeprefix(_OURS)
        wrap = self._yielding if inspect.isasyncgenfunction(behaviour) else self._returning
        return rewrapped(handler, wrap(behaviour, rpc), handler.request_deserializer)

    def _returning(self, behaviour: Behaviour, rpc: str) -> Behaviour:
        async def call(request: Item, context: Context) -> Item:
            with self._watching(rpc, context):
                return await behaviour(request, context)

        return call

    def _yielding(self, behaviour: Behaviour, rpc: str) -> Behaviour:
        async def call(request: Item, context: Context) -> AsyncIterator[Item]:
            with self._watching(rpc, context):
                async with aclosing(behaviour(request, context)) as responses:
                    async for response in responses:
                        yield response

        return call

    @contextmanager
    def _watching(self, rpc: str, context: Context) -> Iterator[None]:
        metadata = tuple(context.invocation_metadata() or ())
        request = begin_request(next((value for key, value in metadata if key == REQUEST_ID), None))
        request.on_failure = lambda error: self._telemetry.count(REFUSALS, rpc, error)
        context.set_trailing_metadata(((REQUEST_ID, request.request_id),))
        meter, tracing = self._telemetry.meter, self._telemetry.tracing
        service, _, method = rpc.rpartition("/")
        span = None
        if tracing is not None:
            said = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method, REQUEST_ID: request.request_id}
            span = tracing.begin(rpc, metadata, said)
        if meter is not None:
            meter.move(RPCS_IN_FLIGHT, 1, rpc)
        began, failure = time.perf_counter(), None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            spent, code = time.perf_counter() - began, _code(failure, context)
            if meter is not None:
                meter.move(RPCS_IN_FLIGHT, -1, rpc)
                meter.observe(RPC_SECONDS, spent, rpc, code)
            if span is not None:
                from serving.telemetry.tracing import end

                end(span, code=code, error=request.error)
            _log(rpc, code, spent, request)


def _code(failure: BaseException | None, context: Context) -> str:
    """Name the code that the caller sees."""
    if isinstance(failure, asyncio.CancelledError | GeneratorExit):
        left = context.time_remaining()
        return "DEADLINE_EXCEEDED" if left is not None and left <= 0 else "CANCELLED"
    number: Any = context.code()  # whatever the stubs say; 0 and None also where an exception went through
    if number:
        return next((one.name for one in grpc.StatusCode if number in {one, one.value[0]}), "UNKNOWN")
    return "OK" if failure is None else "UNKNOWN"


def _log(rpc: str, code: str, spent: float, request: Request) -> None:
    level = logging.DEBUG if rpc.startswith(_PROBES) else logging.INFO
    if log.isEnabledFor(level):
        fields = {"rpc": rpc, "code": code, "ms": round(spent * 1000, 1)}
        if request.error:
            fields["error"] = request.error
        log.log(level, " ".join(map(str, fields.values())), extra={"fields": fields})
