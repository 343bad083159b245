"""What do rpcs answer that are declared but not built yet? UNIMPLEMENTED, and where to look up which ones those are."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from touchstone.moderation.v1 import brand_service_pb2, case_service_pb2, scan_service_pb2

UNIMPLEMENTED_SERVICES: tuple[ServiceDescriptor, ...] = (
    brand_service_pb2.DESCRIPTOR.services_by_name["BrandService"],
    case_service_pb2.DESCRIPTOR.services_by_name["CaseService"],
    scan_service_pb2.DESCRIPTOR.services_by_name["ScanService"],
)


def unimplemented_rpcs() -> list[str]:
    """Name the rpcs that answer UNIMPLEMENTED, each as "package.Service/Method"."""
    return [f"{service.full_name}/{method.name}" for service in UNIMPLEMENTED_SERVICES for method in service.methods]


def unimplemented_handlers() -> tuple[grpc.GenericRpcHandler, ...]:
    """Make the handlers that answer for those services."""
    return tuple(
        grpc.method_handlers_generic_handler(
            service.full_name, {method.name: _handler(method) for method in service.methods}
        )
        for service in UNIMPLEMENTED_SERVICES
    )


def _handler(method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        name = f"{method.containing_service.name}.{method.name}"
        await context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{name} is not offered by this server; GetCapabilities lists what is not"
        )

    kind = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    handler: grpc.RpcMethodHandler[Any, Any] = getattr(grpc, f"{kind}_rpc_method_handler")(refuse)
    return handler
