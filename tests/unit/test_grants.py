"""Who was given a brand here owns it, beside what the credential says; who works here does not, nor who has no name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from serving.access.admission import Gate
from serving.access.caller import ACTOR, BRAND_OWNER, ROLES, Caller
from serving.access.grants import Grants
from serving.access.identity import ByProxy, Call

RPC = "touchstone.moderation.v1.BrandService/GetBrand"


@dataclass
class Given:
    """A store that knows who was given which brands."""

    grants: Mapping[str, frozenset[str]]

    def brand_grants(self) -> Mapping[str, frozenset[str]]:
        """Return them."""
        return self.grants


STORE = Given({"ann": frozenset({"acme"}), "max": frozenset({"acme"})})


@pytest.mark.parametrize(
    ("caller", "brands"),
    [
        (Caller("ann"), {"acme"}),
        (Caller("ann", frozenset({BRAND_OWNER}), frozenset({"bravo"})), {"acme", "bravo"}),
        (Caller("ann", frozenset({"rights-owner"})), {"acme"}),
        (Caller("max", frozenset({"moderator"})), set()),
        (Caller("ben"), set()),
        (Caller(""), set()),
    ],
)
def test_brands_are_added(caller: Caller, brands: set[str]) -> None:
    """The brands of the credential stay, and so do its roles."""
    found = Grants(STORE).added_to(caller)

    assert found.brands == brands
    assert (BRAND_OWNER in found.roles) == bool(brands)
    assert found.roles >= caller.roles


def test_a_grant_opens_the_registry_where_roles_are_asked_for() -> None:
    """With credentials required the holder is let in; where nobody is held to roles, a grant does not begin to."""
    call = Call([(ACTOR, "ann")], "ipv4:127.0.0.1:1")
    told = Call([(ACTOR, "ann"), (ROLES, "rights-owner")], "ipv4:127.0.0.1:1")
    required, open_to_all = (
        Gate([ByProxy("loopback")], required=strict, granted=Grants(STORE).added_to) for strict in (True, False)
    )

    assert asyncio.run(required.admit(RPC, call)).caller.brands == {"acme"}
    assert asyncio.run(open_to_all.admit(RPC, call)).caller == Caller("ann")
    assert asyncio.run(open_to_all.admit(RPC, told)).caller.brands == {"acme"}
