"""What do rpcs answer that are declared but not built yet? UNIMPLEMENTED, and where to look up which ones those are."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor

from touchstone.moderation.v1 import case_service_pb2

EXPORT_EVIDENCE = case_service_pb2.DESCRIPTOR.services_by_name["CaseService"].methods_by_name["ExportEvidence"]

# Their servicers answer with `refuse`.
BUILT_LATER: tuple[MethodDescriptor, ...] = (EXPORT_EVIDENCE,)


def unimplemented_rpcs() -> list[str]:
    """Name the rpcs that answer UNIMPLEMENTED, each as "package.Service/Method"."""
    return [f"{method.containing_service.full_name}/{method.name}" for method in BUILT_LATER]


async def refuse(method: MethodDescriptor, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    """Answer one call of an rpc that is not built."""
    name = f"{method.containing_service.name}.{method.name}"
    await context.abort(
        grpc.StatusCode.UNIMPLEMENTED, f"{name} is not offered by this server; GetCapabilities lists what is not"
    )
