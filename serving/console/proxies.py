"""Is the console behind a proxy, and what does it say of the browser? Believed by the connection's own address alone.

Stands outermost, before anything has changed what the request says of its client. uvicorn's own reading of such headers
is switched off: it puts the browser's address in the place of the proxy's before anybody asks who the proxy is, and
believes whomever an environment variable of its own names.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

_BELIEVED = "touchstone.proxy_believed"
_SCHEMES = ("http", "https")


class BehindProxy:
    """Decides whether whoever connects is a proxy that is believed, and then takes the browser's address and scheme.

    `trust` is the setting `console_proxy`: "never", "loopback" or "always".
    """

    def __init__(self, app: ASGIApp, *, trust: str) -> None:
        self._app = app
        self._trust = trust

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else ""
            believed = self._trust == "always" or (self._trust == "loopback" and _is_loopback(peer))
            scope = {**scope, _BELIEVED: believed}
            if believed:
                _take(scope, Headers(scope=scope))
        await self._app(scope, receive, send)


def is_from_proxy(request: HTTPConnection) -> bool:
    """Tell whether a proxy that is believed sent a request: its headers then say who the person is."""
    return bool(request.scope.get(_BELIEVED, False))


def _take(scope: Scope, headers: Headers) -> None:
    scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
    if scheme in _SCHEMES:
        scope["scheme"] = scheme
    hops = [hop for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
    if address := _browser(hops):
        scope["client"] = (address, 0)


def _browser(hops: Iterable[str]) -> str:
    """Return the last address that is not this machine's, "" for none.

    Each proxy adds to the right. What stands further left came with the request, so that anybody can have written it.
    """
    for hop in reversed(list(hops)):
        try:
            address = ipaddress.ip_address(_host(hop.strip()))
        except ValueError:
            return ""
        if not address.is_loopback:
            return str(address)
    return ""


def _host(hop: str) -> str:
    """Leave out the port that some proxies write: "192.0.2.1:4711", "[2001:db8::1]:4711"."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a peer that was gone before it could be named is nobody's proxy
        return False
