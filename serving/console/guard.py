"""What holds for every answer and every request, whichever page it is? Headers, hosts, origins, and bounded bodies.

The policy lets a page load scripts, styles and pictures from here alone and run nothing that stands in the page itself,
so that text which slips through the templates' escaping is still no script. `Referrer-Policy: same-origin` tells other
sites nothing and, unlike `no-referrer`, leaves forms their `Origin`, by which they are known as ours.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_WITHIN_S = 60.0
STATIC = "/static/"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_FOR_A_YEAR = "max-age=31536000"
_LOOPBACK_HOST = re.compile(r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\])")


class Guard:
    """Puts the headers on every answer, and refuses requests for hosts that are not ours.

    `hosts` matters where nobody has to sign in: a site elsewhere that has its name point to this machine is kept out.
    None lets any host through, besides those of this machine.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] | None = None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        kept = scope["path"].startswith(STATIC) and b"v=" in scope["query_string"]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                good = kept and message["status"] < 400
                if good:
                    headers["cache-control"] = "max-age=31536000, immutable"
                headers.setdefault("cache-control", "no-store")
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = _FOR_A_YEAR
            await send(message)

        host = host_of(Headers(scope=scope).get("host", ""))
        if self._hosts is None or host in self._hosts or _LOOPBACK_HOST.fullmatch(host):
            await self._app(scope, receive, sending)
        else:
            await PlainTextResponse("This console is not reached by that name.\n", 421)(scope, receive, sending)


def host_of(netloc: str) -> str:
    """Return "host:port" without its port, in lower case."""
    return re.sub(r":[0-9]*$", "", netloc).lower()


def is_ours(headers: Headers) -> bool:
    """Tell whether a request that changes something was sent by a page of ours, as the browser itself says."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin", "")
    if site is not None:
        return site == "same-origin"
    return bool(origin) and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()


def bounded(receive: Receive, *, max_bytes: int, within_s: float = BODY_WITHIN_S) -> Receive:
    """Pass a request's body on as long as it is small and quick enough; else raise HTTPException."""
    taken = 0
    began = asyncio.get_running_loop().time()

    async def receiving() -> Message:
        nonlocal taken
        try:
            async with asyncio.timeout_at(began + within_s):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408) from error
        taken += len(message.get("body", b""))
        if taken > max_bytes:
            raise HTTPException(413)
        return message

    return receiving
