"""From which address does somebody ask who has no credential? What limits per address are counted by.

The connection's, unless a proxy or the console stands between and is believed (setting `trust_caller`): then it says so
in the metadata `touchstone-client`, and REMOVES what callers send of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any, cast
from urllib.parse import unquote

import grpc

from serving.access.caller import Trust, is_believed

CLIENT = "touchstone-client"
# A household or a machine gets a whole /64 of IPv6 addresses (RFC 6177), so that one of them says nothing.
_IPV6_PREFIX = 64


def address_of(context: grpc.aio.ServicerContext[Any, Any], trust: Trust) -> str:
    """Return the address that a call counts for, as `client_address` does."""
    metadata = cast("Sequence[tuple[str, str | bytes]]", tuple(context.invocation_metadata() or ()))
    return client_address(metadata, context.peer(), trust)


def client_address(metadata: Iterable[tuple[str, str | bytes]], peer: str, trust: Trust) -> str:
    """Return the address that a call counts for: IPv4, the /64 network of IPv6, or what else gRPC calls the peer."""
    told = [value for key, value in metadata if key == CLIENT and isinstance(value, str)]
    if len(told) == 1 and is_believed(peer, trust) and (address := counted(told[0])):
        return address
    kind, _, rest = unquote(peer).partition(":")
    host = rest.rpartition(":")[0].removeprefix("[").removesuffix("]") if kind in ("ipv4", "ipv6") else ""
    return counted(host) or peer


def counted(text: str) -> str:
    """Return an address as it is counted: IPv4, or the /64 network of IPv6; "" for what is no address."""
    try:
        address = ipaddress.ip_address(text.strip().partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
