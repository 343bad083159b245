"""What do rpcs answer that are declared but not built yet? UNIMPLEMENTED, and where to look up which ones those are."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from touchstone.moderation.v1 import case_service_pb2, scan_service_pb2

_SERVICES: tuple[ServiceDescriptor, ...] = (scan_service_pb2.DESCRIPTOR.services_by_name["ScanService"],)
EXPORT_EVIDENCE = case_service_pb2.DESCRIPTOR.services_by_name["CaseService"].methods_by_name["ExportEvidence"]

# Whole services, and single rpcs of services that are offered: their servicers answer with `refuse`.
BUILT_LATER: tuple[MethodDescriptor, ...] = (
    *(method for service in _SERVICES for method in service.methods),
    EXPORT_EVIDENCE,
)


def unimplemented_rpcs() -> list[str]:
    """Name the rpcs that answer UNIMPLEMENTED, each as "package.Service/Method"."""
    return [f"{method.containing_service.full_name}/{method.name}" for method in BUILT_LATER]


def unimplemented_handlers() -> tuple[grpc.GenericRpcHandler, ...]:
    """Make the handlers that answer for services of which nothing is built."""
    return tuple(
        grpc.method_handlers_generic_handler(
            service.full_name, {method.name: _handler(method) for method in service.methods}
        )
        for service in _SERVICES
    )


async def refuse(method: MethodDescriptor, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    """Answer one call of an rpc that is not built."""
    name = f"{method.containing_service.name}.{method.name}"
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED, f"{name} is not offered by this server; GetCapabilities lists what is not"
    )


def _handler(method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
    async def answer(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await refuse(method, context)

    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    handler: grpc.RpcMethodHandler[Any, Any] = getattr(grpc, f"{kind}_rpc_method_handler")(answer)
    return handler
