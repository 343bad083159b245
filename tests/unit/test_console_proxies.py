"""Whom does the console believe? The connection's own address decides, whatever the headers say of it."""

from __future__ import annotations

import pytest
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from serving.console.proxies import BehindProxy, is_from_proxy

HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"


async def seen(peer: str | None, trust: str, *headers: tuple[str, str]) -> tuple[bool, str, str]:
    """Send a request from `peer`; give whether a proxy sent it, the browser's address and the scheme."""
    found: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.append(scope)

    client = None if peer is None else (peer, 4711)
    sent = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "scheme": "http", "client": client, "headers": sent, "path": "/"}
    await BehindProxy(app, trust=trust)(scope, None, None)  # type: ignore[arg-type]
    asked = HTTPConnection(found[0])
    return is_from_proxy(asked), asked.client.host if asked.client else "", found[0]["scheme"]


@pytest.mark.parametrize(
    ("peer", "trust", "believed"),
    [
        (HERE, "loopback", True),
        ("::1", "loopback", True),
        (ELSEWHERE, "loopback", False),
        (None, "loopback", False),
        (HERE, "never", False),
        (ELSEWHERE, "always", True),
    ],
)
async def test_only_a_peer_that_is_believed_speaks_for_others(
    peer: str | None, trust: str, *, believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever says that it asks for this machine is not on it, and whoever is on it may ask for another."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")

    for told in (HERE, "198.51.100.3"):
        by_proxy, address, scheme = await seen(peer, trust, ("x-forwarded-for", told), ("x-forwarded-proto", "https"))

        assert by_proxy is believed
        assert scheme == ("https" if believed else "http")
        assert address == ("198.51.100.3" if believed and told != HERE else peer or "")


@pytest.mark.parametrize(
    ("hops", "address"),
    [
        (["198.51.100.3"], "198.51.100.3"),
        (["10.0.0.1, 198.51.100.3"], "198.51.100.3"),
        (["10.0.0.1", "198.51.100.3"], "198.51.100.3"),
        (["198.51.100.3, 127.0.0.1"], "198.51.100.3"),
        (["198.51.100.3:4711"], "198.51.100.3"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["10.0.0.1, nonsense"], HERE),
        ([""], HERE),
        ([], HERE),
    ],
)
async def test_the_address_is_the_one_that_the_proxy_added(hops: list[str], address: str) -> None:
    """That is the last one; further left stands what a browser may have written, and an unreadable one is nobody's."""
    _, found, _ = await seen(HERE, "loopback", *(("x-forwarded-for", hop) for hop in hops))

    assert found == address
