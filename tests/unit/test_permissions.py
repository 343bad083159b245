"""Every rpc has one declared permission, and what is not declared nobody may call."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from serving import rpc_services
from serving.access.caller import BRAND_OWNER, PROVEN, Caller
from serving.access.permissions import (
    ADMIN,
    GRANTS,
    NO_CREDENTIAL,
    NO_ROLE,
    ROLES,
    RPCS,
    STAFF,
    Permission,
    may,
    require,
)
from serving.errors import PermissionDenied
from serving.rpc_services import SERVICES as OFFERED

SERVICES: list[ServiceDescriptor] = [
    *OFFERED,
    *(service for file in (health_pb2, reflection_pb2) for service in file.DESCRIPTOR.services_by_name.values()),
]
EVERY_RPC = {f"{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}
BRAND_SERVICE = rpc_services.BRAND_SERVICE.full_name


def test_every_rpc_has_a_permission_and_there_are_no_others() -> None:
    """The table holds each rpc of each service, health and reflection too, and no rpc that is not there."""
    assert set(RPCS) == EVERY_RPC
    assert len(EVERY_RPC) > 30


def test_every_permission_is_of_use() -> None:
    """Each permission has its line of roles, is asked for by some rpc, and names only roles that there are."""
    assert set(GRANTS) == set(Permission) == set(RPCS.values())
    assert frozenset().union(*GRANTS.values()) <= {*ROLES}


def test_what_is_not_declared_nobody_may_call() -> None:
    """An rpc without a line is refused to the administrator as well, and the refusal says why."""
    with pytest.raises(PermissionDenied, match="no declared permission"):
        require(Caller("root", frozenset({ADMIN})), "touchstone.moderation.v1.NewService/Forgotten")


@pytest.mark.parametrize("rpc", sorted(EVERY_RPC))
def test_who_has_no_role_may_only_ask_what_the_server_is(rpc: str) -> None:
    """A caller who is known and has no role may only ask as a buyer does, and apply for a brand."""
    harmless = RPCS[rpc] in NO_ROLE

    assert may(Caller("ann"), rpc) == may(Caller("ann", frozenset({"offline_access"})), rpc) == harmless
    assert may(Caller("root", frozenset({ADMIN})), rpc)


def test_a_brand_owner_has_the_registry_and_may_report() -> None:
    """Beside its own brands it may report, and see what shows them; it creates none, for names would tell of others."""
    portal = {f"touchstone.moderation.v1.PortalService/{name}" for name in ("GetPortal", "ListNotices", "ListHits")}
    owner = Caller("acme", frozenset({BRAND_OWNER}), frozenset({"acme"}))
    registry = {rpc for rpc in EVERY_RPC if rpc.startswith(BRAND_SERVICE)}

    allowed = {rpc for rpc in EVERY_RPC if may(owner, rpc) and RPCS[rpc] not in NO_ROLE}

    assert allowed == registry - {f"{BRAND_SERVICE}/CreateBrand"} | portal | {
        "touchstone.moderation.v1.CaseService/ReportListing",
        "touchstone.moderation.v1.ImageService/ListImages",
        "touchstone.moderation.v1.ImageService/GetImage",
    }


def test_an_auditor_changes_nothing() -> None:
    """Auditors read: none of the permissions that change something is theirs."""
    changing = {
        Permission.SCREEN, Permission.REMOVE, Permission.RESOLVE, Permission.RESOLVE_BATCHES, Permission.REPORT,
        Permission.APPEAL, Permission.CREATE_BRANDS, Permission.EDIT_BRANDS, Permission.ADD_REFERENCES,
        Permission.REVIEW_REFERENCES, Permission.RUN_SCANS, Permission.DECIDE_APPLICATIONS, Permission.RECORD_STEPS,
        Permission.MARK_GOLD,
    }  # fmt: skip

    assert not [permission for permission in changing if "auditor" in GRANTS[permission]]


def test_roles_are_named_once() -> None:
    """Those who work here, the brand owner, and the capacities in which outsiders report."""
    assert set(ROLES) == STAFF | {BRAND_OWNER} | {*PROVEN}
    assert len(ROLES) == len(set(ROLES))


def test_a_refusal_names_the_roles_that_may() -> None:
    """Who is refused learns which roles would do, and which the credential has."""
    with pytest.raises(PermissionDenied, match=r"\(moderator\).*admin, pipeline"):
        require(Caller("ann", frozenset({"moderator"})), "touchstone.moderation.v1.ModerationService/ScreenListing")


def test_only_health_and_buyers_need_no_credential() -> None:
    """A load balancer has none, and neither has a buyer."""
    public = {rpc for rpc, permission in RPCS.items() if permission in NO_CREDENTIAL}

    assert {rpc.partition("/")[0] for rpc in public} == {
        "grpc.health.v1.Health", "touchstone.moderation.v1.BuyerService",
    }  # fmt: skip


def test_the_registry_page_names_who_may_create_brands() -> None:
    """The guide to the registry tells the same roles as the table that decides."""
    page = (Path(__file__).parents[2] / "docs" / "registry.md").read_text()
    creators = [role for role in ROLES if role in {*GRANTS[Permission.CREATE_BRANDS], ADMIN}]

    assert f"Brands are made by the roles {' and '.join(f'`{role}`' for role in creators)}:" in page
    assert f"# {' or '.join(creators)} only" in page
