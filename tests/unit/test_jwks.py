"""Key sets: which keys are taken from them, when they are read again, and for how long an old one is trusted."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from serving.access.jwks import KeySet, parse, reader
from serving.errors import KeysUnavailable, SettingsError, Unauthenticated
from tests.integration.access_support import Authority

EC = ec.generate_private_key(ec.SECP256R1()).public_key()


def a_set(*names: str, **more: str) -> bytes:
    """Write a key set with a key under each name."""
    return json.dumps({"keys": [jwk(name, **more) for name in names]}).encode()


def jwk(name: str, **more: str) -> dict[str, Any]:
    """Write a key."""
    key: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC))
    return key | {"kid": name} | more


@dataclass
class Source:
    """Where a key set is read from, in a test's hands; counts how often."""

    content: bytes = b""
    reads: int = 0
    now: float = 0.0
    down: bool = False

    def read(self) -> bytes:
        """Give the set, or fail."""
        self.reads += 1
        if self.down:
            raise ConnectionRefusedError("nobody answers")
        return self.content

    def keys(self, **limits: float) -> KeySet:
        """Make a key set that is read from here, by this clock."""
        limits = {"max_stale_s": 3_600.0, "least_interval_s": 30.0} | limits
        return KeySet(self.read, clock=lambda: self.now, **limits)


def ask(keys: KeySet, name: str | None) -> bool:
    """Tell whether the set has a key of that name."""
    try:
        asyncio.run(keys.key(name))
    except Unauthenticated:
        return False
    return True


def test_only_public_keys_for_signatures_are_taken() -> None:
    """EC, RSA and Ed25519 keys are; symmetric ones, those for encryption, and kinds unknown here are left out."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    keys = [
        jwk("ec"),
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(public)) | {"kid": "rsa"},
        json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key()))
        | {"kid": "ed"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric", "alg": "HS256"},
        jwk("encryption", use="enc"),
        {"kty": "AKP", "kid": "of tomorrow"},
    ]

    found = parse(json.dumps({"keys": keys}).encode())

    assert {name: key.algorithm_name for name, key in found.items()} == {"ec": "ES256", "rsa": "RS256", "ed": "EdDSA"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"keys": 5}', b'{"keys": [5]}', b'{"keys": []}', b"\xff"])
def test_what_is_no_key_set_is_refused(content: bytes) -> None:
    """Nonsense, and a set without a key of use, are named for what they are."""
    with pytest.raises(SettingsError, match=r"key set|Key Set"):
        parse(content)


def test_an_unknown_name_has_the_set_read_again_but_not_more_often_than_allowed() -> None:
    """A new key is found when it is named; made-up names cost one reading an interval, however many come."""
    source = Source(a_set("k1"))
    keys = source.keys()
    keys.refresh()
    source.content = a_set("k1", "k2")

    assert ask(keys, "k2")
    assert source.reads == 2
    assert not any(ask(keys, f"made up {number}") for number in range(50))
    assert source.reads == 2
    source.now += 31
    assert not ask(keys, "made up")
    assert source.reads == 3


def test_all_who_wait_for_one_reading_get_its_keys() -> None:
    """Many calls that name a new key at once have the set read once, and all are let in."""
    source = Source(a_set("k1"))
    keys = source.keys()
    keys.refresh()
    source.content = a_set("k2")

    async def together() -> int:
        return len(await asyncio.gather(*(keys.key("k2") for _ in range(50))))

    assert asyncio.run(together()) == 50
    assert source.reads == 2


def test_a_key_that_was_taken_out_is_forgotten() -> None:
    """After the next reading, tokens of an old key are refused."""
    source = Source(a_set("k1", "k2"))
    keys = source.keys()
    keys.refresh()
    source.content = a_set("k2")
    keys.refresh()

    assert not ask(keys, "k1")
    assert ask(keys, "k2")


def test_an_old_set_is_trusted_for_a_bounded_time() -> None:
    """While the source is down known keys go on; too old, nothing is believed, and that is the server's trouble."""
    source = Source(a_set("k1"))
    keys = source.keys()
    keys.refresh()
    source.down = True

    source.now = 3_599.0
    assert ask(keys, "k1")
    assert not ask(keys, "other")
    source.now = 3_700.0
    with pytest.raises(KeysUnavailable):
        asyncio.run(keys.key("k1"))
    source.down, source.now = False, 3_740.0
    assert ask(keys, "k1")


def test_a_token_without_a_name_takes_the_only_key() -> None:
    """Without a name there must be no choice."""
    source = Source(a_set("k1"))
    keys = source.keys(least_interval_s=0.0)
    keys.refresh()

    assert ask(keys, None)
    source.content = a_set("k1", "k2")
    keys.refresh()
    assert not ask(keys, None)


def test_polling_begins_without_a_source_and_finds_it_later() -> None:
    """A server starts while its provider is down, and needs no restart when that is up again."""
    source = Source(a_set("k1"), down=True)
    keys = source.keys()

    with keys.polling(interval_s=60):
        with pytest.raises(KeysUnavailable):
            asyncio.run(keys.key("k1"))
        source.down, source.now = False, 31.0
        assert ask(keys, "k1")


@dataclass
class Provider:
    """An identity provider on loopback: answers with what `answers` holds for a path."""

    port: int
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)

    def url(self, path: str) -> str:
        """Give an address of it."""
        return f"https://localhost:{self.port}{path}"


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Serve over TLS with a certificate by an authority that SSL_CERT_FILE names."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    provider = Provider(0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, headers, body = provider.answers.get(self.path, (404, {}, b""))
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    provider.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_set_is_read_from_an_https_address(provider: Provider) -> None:
    """The address is read over TLS, whose certificate must be by an authority that the machine trusts."""
    provider.answers["/jwks"] = (200, {}, a_set("k1"))
    provider.answers["/moved"] = (302, {"Location": provider.url("/jwks")}, b"")

    assert list(parse(reader(provider.url("/jwks"))())) == ["k1"]
    assert list(parse(reader(provider.url("/moved"))())) == ["k1"]


def test_a_certificate_by_nobody_we_trust_is_refused(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stands between could hand out keys of their own."""
    provider.answers["/jwks"] = (200, {}, a_set("k1"))
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(OSError, match="certificate"):
        reader(provider.url("/jwks"))()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((302, {"Location": "http://127.0.0.1:1/jwks"}, b""), SettingsError),
        ((302, {"Location": "file:///etc/passwd"}, b""), (SettingsError, OSError)),
        ((500, {}, b"down"), OSError),
        ((200, {}, b" " * (2 << 20)), SettingsError),
    ],
    ids=["to http", "to a file", "error", "endless"],
)
def test_other_answers_are_refused(provider: Provider, answer: Any, error: Any) -> None:
    """A redirect out of https, an error and a body without end do not become a key set."""
    provider.answers["/jwks"] = answer

    with pytest.raises(error):
        reader(provider.url("/jwks"))()


@pytest.mark.parametrize("place", ["http://id.example/jwks", "ftp://id.example/jwks"])
def test_only_files_and_https_are_places(place: str) -> None:
    """Plain http is refused at once: anybody on the way could exchange the keys."""
    with pytest.raises(SettingsError, match="https"):
        reader(place)


def test_a_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    """A file is read each time."""
    path = tmp_path / "jwks.json"
    read = reader(str(path))
    path.write_bytes(a_set("k1"))

    assert list(parse(read())) == ["k1"]
    path.write_bytes(a_set("k2"))
    assert list(parse(read())) == ["k2"]
