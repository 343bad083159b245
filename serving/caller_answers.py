"""Who am I, and what may I do here? The answer to GetCaller, read off the gate that lets calls in."""

from __future__ import annotations

from serving.access.admission import Gate
from serving.access.caller import Caller
from serving.access.permissions import RPCS
from touchstone.moderation.v1 import moderation_service_pb2 as pb

_PACKAGE = "touchstone."


def from_caller(caller: Caller, gate: Gate) -> pb.GetCallerResponse:
    """Describe a caller whom the gate has let in."""
    return pb.GetCallerResponse(
        name=caller.name,
        roles=sorted(caller.roles),
        brand_ids=sorted(caller.brands),
        rpcs=[rpc for rpc in RPCS if rpc.startswith(_PACKAGE) and gate.lets(caller, rpc)],
        sign_in_required=gate.required,
    )
