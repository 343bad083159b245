"""By which credential does somebody call? One `Authenticator` for each kind; `admission` asks them in turn.

Here are those that need nothing but the connection: a proxy's metadata and the client's certificate. Bearer tokens are
read in `serving.access.bearer` (JWT) and `serving.access.api_keys`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import grpc

from serving.access.caller import NOBODY, Caller, Trust, caller_of
from serving.errors import Unauthenticated

AUTHORIZATION = "authorization"
_SCHEME = "bearer"


@dataclass(frozen=True)
class Call:
    """What a call brings along that may say who makes it."""

    metadata: Sequence[tuple[str, str | bytes]]
    peer: str  # gRPC's, such as "ipv4:127.0.0.1:50000"
    certificate_names: tuple[str, ...] = ()  # DNS names, URIs, ... of a certificate that was verified; else its CN

    @classmethod
    def of(cls, context: grpc.aio.ServicerContext[Any, Any]) -> Call:
        """Read what an rpc brings along."""
        proved: Mapping[str, Iterable[bytes]] = context.auth_context() or {}
        names = proved.get("x509_subject_alternative_name") or proved.get("x509_common_name") or ()
        return cls(
            tuple(context.invocation_metadata() or ()),
            context.peer(),
            tuple(name.decode(errors="replace") for name in names),
        )

    @property
    def bearer(self) -> str:
        """The token of `authorization: Bearer ...`, or "" when there is none. Raises Unauthenticated."""
        sent = [value for key, value in self.metadata if key == AUTHORIZATION]
        if not sent:
            return ""
        scheme, _, token = str(sent[0]).strip().partition(" ")
        if len(sent) > 1 or scheme.lower() != _SCHEME or not token.strip():
            raise Unauthenticated("The call's authorization is not one 'Bearer' and a token; send exactly that.")
        return token.strip()


@dataclass(frozen=True)
class Identity:
    """Who calls, by what, and until when that holds; without an end, as long as it is found again."""

    caller: Caller
    source: str  # fit for logs: never the credential itself
    until: datetime | None = None


class Authenticator(Protocol):
    """Finds out who calls, by one kind of credential."""

    async def identify(self, call: Call) -> Identity | None:
        """Return who calls, or None when the call carries no credential of this kind.

        Raises Unauthenticated when it carries one that does not hold: another kind is not tried then.
        """


@dataclass(frozen=True)
class ByProxy:
    """Believes a proxy, from where `trust` says."""

    trust: Trust

    async def identify(self, call: Call) -> Identity | None:
        """Read `touchstone-actor` and its like."""
        caller = caller_of(call.metadata, call.peer, self.trust)
        return None if caller == NOBODY else Identity(caller, "proxy")


@dataclass(frozen=True)
class ByCertificate:
    """Knows callers by the names in their certificates, which the TLS handshake verified."""

    callers: Mapping[str, Caller]

    async def identify(self, call: Call) -> Identity | None:
        """Look the certificate's names up."""
        known = [name for name in call.certificate_names if name in self.callers]
        return Identity(self.callers[known[0]], f"certificate of {known[0]}") if known else None
