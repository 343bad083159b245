"""How does the console ask the service? One channel for everybody, each call with the asking person's own credential.

Each rpc of our API has a request message of its own, `ListCasesRequest` for `ListCases`, declared beside its service:
the request alone says what is called.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.console.sessions import Metadata
from serving.telemetry.telemetry import UNOBSERVED, Telemetry

TIMEOUT_S = 20.0
_SUFFIX = "Request"


def rpc_of(kind: type[Message]) -> Any:
    """Return the descriptor of the rpc that takes a kind of request. Raises LookupError when none does."""
    name = kind.DESCRIPTOR.name.removesuffix(_SUFFIX)
    services = kind.DESCRIPTOR.file.services_by_name.values()
    for service in services:
        if name in service.methods_by_name:
            return service.methods_by_name[name]
    raise LookupError(f"no rpc takes {kind.DESCRIPTOR.full_name}")


def rpc_name(kind: type[Message]) -> str:
    """Return the full name of the rpc that takes a kind of request, "package.Service/Method"."""
    method = rpc_of(kind)
    return f"{method.containing_service.full_name}/{method.name}"


class Upstream:
    """The service, as the console reaches it. Its methods raise `grpc.aio.AioRpcError`."""

    def __init__(self, channel: grpc.aio.Channel, telemetry: Telemetry = UNOBSERVED) -> None:
        self._channel = channel
        self._telemetry = telemetry

    async def ask(self, request: Message, metadata: Metadata, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Call the rpc of a request, and return its response."""
        call = self._channel.unary_unary(*_wire(type(request)))
        return await call(request, metadata=self._with_request(metadata), timeout=timeout_s)

    async def follow(self, request: Message, metadata: Metadata, *, timeout_s: float) -> AsyncIterator[Any]:
        """Call an rpc that answers with a stream, and yield its responses."""
        call = self._channel.unary_stream(*_wire(type(request)))
        async for response in call(request, metadata=self._with_request(metadata), timeout=timeout_s):
            yield response

    async def send(
        self, kind: type[Message], requests: AsyncIterator[Message], metadata: Metadata, *, timeout_s: float
    ) -> Any:
        """Call an rpc that takes a stream of one kind of request, and return its response."""
        call = self._channel.stream_unary(*_wire(kind))
        return await call(requests, metadata=self._with_request(metadata), timeout=timeout_s)

    def _with_request(self, metadata: Metadata) -> Metadata:
        """Let the service go on with the page's request."""
        return (*metadata, *self._telemetry.outgoing())

    async def healthy(self) -> bool:
        """Tell whether the service says that it serves."""
        health = health_pb2_grpc.HealthStub(self._channel)
        try:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _wire(kind: type[Message]) -> tuple[str, Any, Any]:
    method = rpc_of(kind)
    return f"/{rpc_name(kind)}", kind.SerializeToString, GetMessageClass(method.output_type).FromString
