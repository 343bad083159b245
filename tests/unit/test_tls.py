"""Certificates and access files: what can be used, and what is said of what cannot; who may listen where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from index.store.store import Store
from serving.access.access_file import load_access
from serving.access.api_keys import NewKey, make_key
from serving.access.signing_in import check_listening, describe_access, describe_tls, open_gate
from serving.errors import SettingsError
from serving.settings import Settings
from serving.tls import CertificateFiles, server_credentials
from tests.integration.access_support import Authority, access_file, issuer_at, token_rules
from tests.support.databases import with_tables

NOW = datetime.now(UTC)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    """Make a sound pair and an authority."""
    authority = Authority(tmp_path)
    return CertificateFiles(*authority.issue("localhost"), authority.ca)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Open a store of the test's own."""
    return Store.open(with_tables(tmp_path / "store.db"))


def test_a_key_of_another_certificate_is_refused(files: CertificateFiles, tmp_path: Path) -> None:
    """A pair that does not fit is named with both files, before any client meets it."""
    _, other = Authority(tmp_path).issue("other")

    with pytest.raises(SettingsError, match=r"other\.key is not the key of .*localhost\.pem"):
        server_credentials(CertificateFiles(files.certificate, other))


@pytest.mark.parametrize("which", ["certificate", "key", "client_ca"])
@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_file_that_cannot_be_used_is_named(files: CertificateFiles, which: str, content: bytes | None) -> None:
    """Missing, empty or of another kind: the message names the file."""
    path: Path = getattr(files, which)
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match=path.name):
        server_credentials(files)


def test_a_key_with_a_password_is_refused(files: CertificateFiles) -> None:
    """Nobody is there to type it."""
    locked = ec.generate_private_key(ec.SECP256R1())
    files.key.write_bytes(locked.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")))

    with pytest.raises(SettingsError, match="without a password"):
        files.load()


def test_half_a_setting_is_refused(tmp_path: Path) -> None:
    """A certificate without key, a key without certificate and clients' authorities without either are mistakes."""
    for given, missing in (("tls_certificate", "tls_key"), ("tls_key", "tls_cert"), ("tls_client_ca", "tls_key")):
        with pytest.raises(SettingsError, match=missing):
            CertificateFiles.of(Settings(**{given: tmp_path / "x.pem"}))  # type: ignore[arg-type]
    assert CertificateFiles.of(Settings()) is None


@pytest.mark.parametrize(
    ("listen", "alone"),
    [
        ("127.0.0.1:0", True), ("127.8.0.1:1", True), ("[::1]:50051", True), ("localhost:1", True),
        ("unix:/tmp/s", True),
        ("0.0.0.0:1", False), ("[::]:1", False), (":1", False), ("10.0.0.1:1", False), ("localhost.example:1", False),
    ],
)  # fmt: skip
def test_this_machine_alone_needs_nothing(listen: str, *, alone: bool, tmp_path: Path) -> None:
    """Loopback is free; every other address takes TLS and authentication, both, or the words that neither is wanted."""
    check_listening(listen, Settings(allow_insecure_public=True))
    both = {"tls_certificate": tmp_path, "tls_key": tmp_path, "access": tmp_path}
    check_listening(listen, Settings(**both))  # type: ignore[arg-type]

    for left_out in ("tls_certificate", "access"):
        settings = Settings(**{name: path for name, path in both.items() if name != left_out})  # type: ignore[arg-type]
        if alone:
            check_listening(listen, settings)
        else:
            with pytest.raises(SettingsError, match=left_out):
                check_listening(listen, settings)


def test_the_doctor_says_what_the_server_shows(files: CertificateFiles, tmp_path: Path) -> None:
    """A certificate is told with its end, and fails when that is near."""
    settings = Settings(tls_certificate=files.certificate, tls_key=files.key, tls_client_ca=files.client_ca)
    assert "plaintext" in describe_tls(Settings(), now=NOW)
    assert "clients must show a certificate" in describe_tls(settings, now=NOW)

    Authority(tmp_path).issue("localhost", ends=timedelta(days=13))
    with pytest.raises(SettingsError, match="renew it"):
        describe_tls(settings, now=NOW)


def test_the_doctor_says_who_may_sign_in(store: Store, tmp_path: Path) -> None:
    """Each way to sign in is told with what it rests on; a key set out of reach fails."""
    issuer_at(tmp_path)
    path = access_file(tmp_path, tokens=token_rules(), api_keys=True, proxy=True)
    settings = Settings(access=path)

    says = describe_access(settings, store, now=NOW)
    assert says == "tokens by 1 keys, 0 API keys, a proxy's metadata (loopback)"
    for name, role in (("uploads", "pipeline"), ("bob", "moderator")):
        store.add_key(a_key(name, role).key)
    assert "2 API keys; cases are decided by key by bob: who has another" in describe_access(settings, store, now=NOW)
    only_keys = access_file(tmp_path, api_keys=True)
    assert describe_access(Settings(access=only_keys), store, now=NOW) == "2 API keys"
    access_file(tmp_path, tokens=token_rules(), api_keys=True, proxy=True)
    assert "everything" in describe_access(Settings(), store, now=NOW)

    (tmp_path / "jwks.json").unlink()
    with pytest.raises(OSError, match="jwks"):
        describe_access(settings, store, now=NOW)
    store.close()


def a_key(name: str, role: str) -> NewKey:
    """Make a key of somebody's."""
    held = {"roles": frozenset({role}), "brands": frozenset[str]()}
    return make_key(name=name, created_by="root", now=NOW, expire_time=None, **held)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lets nobody in"),
        ("api_keys: false", "lets nobody in"),
        ("api_keys: [", "cannot read"),
        ("- 1", "valid dictionary"),
        ("token: {}", "token"),
        ("tokens: {jwks: a}", "issuer"),
        ("tokens: {jwks: a, issuer: b, audience: c, algorithms: [HS256]}", "algorithms"),
        ("tokens: {jwks: a, issuer: b, audience: c, algorithms: []}", "algorithms"),
        ("tokens: {jwks: a, issuer: '', audience: c}", "issuer"),
        ("certificates: {x: {caller: y, roles: [root]}}", "root is no role"),
        ("certificates: {x: {roles: [admin]}}", "caller"),
        ("certificates: {x: {caller: Ann}, y: {caller: ann}}", "'Ann' and 'ann' are spellings of one name"),
    ],
)
def test_an_access_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, says: str) -> None:
    """Whatever is wrong in it, the message names the file and what is not right; a symmetric algorithm is wrong."""
    path = tmp_path / "access.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError, match=says) as refused:
        load_access(path)
    assert str(path) in str(refused.value)


def test_certificates_take_authorities(store: Store, tmp_path: Path) -> None:
    """Naming clients by certificates that nobody asks them for is a mistake, which the server refuses to start with."""
    path = access_file(tmp_path, certificates={"x": {"caller": "y"}})

    with pytest.raises(SettingsError, match="tls_client_ca"), open_gate(Settings(access=path), store):
        pass
    store.close()
