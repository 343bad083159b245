"""What does a person see when the service refuses? A gRPC status as an HTTP one, its message, the fields at fault."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_status import rpc_status

_HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 422,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.CANCELLED: 503,  # by a service that went away
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


@dataclass(frozen=True)
class Failure:
    """A refusal: `message` in the service's words; `fields` at fault by their path; when to try again, if it says.

    `hint` is the id of a message that says what else a person can do, "" for none.
    """

    status: int
    message: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: int | None = None
    hint: str = ""


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Read an rpc's error."""
    fields: dict[str, str] = {}
    retry_after_s = None
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        bad, again = BadRequest(), RetryInfo()
        if detail.Unpack(bad):
            fields |= {violation.field: violation.description for violation in bad.field_violations}
        elif detail.Unpack(again):
            retry_after_s = max(1, math.ceil(again.retry_delay.ToTimedelta().total_seconds()))
    return Failure(_HTTP.get(error.code(), 500), error.details() or "", fields, retry_after_s)
