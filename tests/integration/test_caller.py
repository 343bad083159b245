"""Who am I? What GetCaller says is what the server then does."""

from __future__ import annotations

import pytest

from serving.access.caller import ACTOR, BRANDS, ROLES, Caller
from serving.access.permissions import RPCS, may
from tests.integration.support import PATIENCE_S, Service
from touchstone.moderation.v1 import moderation_service_pb2 as pb

OURS = [rpc for rpc in RPCS if rpc.startswith("touchstone.")]


def test_without_credentials_everybody_may_do_everything(service: Service) -> None:
    """Where nobody signs in, a caller without a name is told so, and may call every rpc."""
    answer = service.stub.GetCaller(pb.GetCallerRequest(), timeout=PATIENCE_S)

    assert (answer.name, answer.sign_in_required, list(answer.rpcs)) == ("", False, OURS)


@pytest.mark.parametrize("role", ["moderator", "auditor", "brand-owner"])
def test_roles_that_are_told_are_held_to(service: Service, role: str) -> None:
    """A caller whose role a proxy tells may call what the role covers."""
    metadata = ((ACTOR, "ann"), (ROLES, role), (BRANDS, "b,a"))

    answer = service.stub.GetCaller(pb.GetCallerRequest(), metadata=metadata, timeout=PATIENCE_S)

    caller = Caller("ann", frozenset({role}))
    assert (answer.name, list(answer.roles), list(answer.brand_ids)) == ("ann", [role], ["a", "b"])
    assert list(answer.rpcs) == [rpc for rpc in OURS if may(caller, rpc)]
    assert 0 < len(answer.rpcs) < len(OURS)
