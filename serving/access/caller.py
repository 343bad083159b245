"""Who calls? The name and the roles in the caller's credential, never in the request.

`serving.access.identity` finds it out, by several kinds of credential; one of them is read here. An operator's proxy
authenticates people, REMOVES `touchstone-*` metadata that they send, and sets `touchstone-actor` (the person's name),
`touchstone-roles` and `touchstone-brands` (separated by commas). The setting `trust_caller` says from whom such
metadata is believed; by default from this machine only, where the proxy or the command line runs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from index.reports import ReporterType
from serving.errors import Unauthenticated
from serving.wire.rules import BIDI

ACTOR = "touchstone-actor"
ROLES = "touchstone-roles"
BRANDS = "touchstone-brands"

BRAND_OWNER = "brand-owner"

Trust = Literal["loopback", "always", "never"]

_MAX_NAME_CHARACTERS = 256
_LOOPBACK = ("ipv4:127.", "ipv6:[::1]:", "unix:")
# What a role proves about somebody who reports.
_REPORTERS = {
    "rights-owner": ReporterType.RIGHTS_OWNER,
    "trusted-flagger": ReporterType.TRUSTED_FLAGGER,
    "authority": ReporterType.AUTHORITY,
}
PROVEN = tuple(_REPORTERS)


@dataclass(frozen=True)
class Caller:
    """Who calls; without a name, nobody that we know."""

    name: str = ""
    roles: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()  # ids of those that a brand owner acts for

    def required(self) -> str:
        """Return the name of who acts. Raises Unauthenticated when there is none."""
        if not self.name:
            raise Unauthenticated(
                f"This needs to know who acts: the call carries no credential and no {ACTOR} that this server "
                "believes; sign in, or call through the proxy that signs you in."
            )
        return self.name

    def sees(self, brand_id: str) -> bool:
        """Tell whether the caller may know of a brand: its owner, and whoever is no brand owner."""
        return BRAND_OWNER not in self.roles or brand_id in self.brands

    @property
    def knows_sellers(self) -> bool:
        """Whether the caller may know who sells what: no business of a brand owner's."""
        return BRAND_OWNER not in self.roles

    def proves(self, claimed: ReporterType) -> ReporterType:
        """Return in what capacity the caller reports: as claimed if a role proves it, else as a buyer."""
        return claimed if claimed in {_REPORTERS.get(role) for role in self.roles} else ReporterType.BUYER


NOBODY = Caller()

# Who makes the call that this task answers; set by `serving.access.admission` before an rpc begins, and by nobody else.
# Without a default: an rpc that was not admitted must fail, not go on as somebody.
CALLING: ContextVar[Caller] = ContextVar("calling")


def name_of(text: str, source: str) -> str:
    """Return the name that a credential gives, without spaces around it. Raises Unauthenticated when it is none."""
    name = text.strip()
    if len(name) > _MAX_NAME_CHARACTERS or any(unicodedata.category(one) == "Cc" for one in name) or BIDI.search(name):
        raise Unauthenticated(f"{source} is no name of at most {_MAX_NAME_CHARACTERS} characters.")
    return name


def is_believed(peer: str, trust: Trust) -> bool:
    """Tell whether metadata about others are believed from here. `peer` is gRPC's, such as "ipv4:127.0.0.1:50000"."""
    return trust == "always" or (trust == "loopback" and unquote(peer).startswith(_LOOPBACK))


def caller_of(metadata: Iterable[tuple[str, str | bytes]], peer: str, trust: Trust) -> Caller:
    """Read who calls from a call's metadata. `peer` is gRPC's, such as "ipv4:127.0.0.1:50000".

    A name from where it is not believed is nobody's.

    Raises:
        Unauthenticated: the name is given twice, or is none; or roles or brands come from where they are not believed.
            Whoever says what a caller is held to must not find it held to nothing.

    """
    if not is_believed(peer, trust):
        if held := sorted({ROLES, BRANDS}.intersection(key for key, _ in metadata)):
            raise Unauthenticated(
                f"{held[0]} is not believed from here: the setting trust_caller is {trust!r}. Leave it out, or ask who "
                "runs this service to set trust_caller to 'always', where only a proxy reaches it."
            )
        return NOBODY
    sent: dict[str, list[str]] = {ACTOR: [], ROLES: [], BRANDS: []}
    for key, value in metadata:
        if key in sent and isinstance(value, str):
            sent[key].append(value)
    names = sent[ACTOR]
    if any(len(values) > 1 for values in sent.values()):
        raise Unauthenticated(f"One of {', '.join(sent)} came twice; the proxy must remove what callers send of them.")
    name = name_of(names[0], ACTOR) if names else ""
    return Caller(name, _listed(sent[ROLES]), _listed(sent[BRANDS]))


def _listed(values: list[str]) -> frozenset[str]:
    """Read what commas separate."""
    words = (word.strip() for word in (values[0].split(",") if values else ()))
    return frozenset(word for word in words if word)
