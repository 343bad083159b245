"""Who gets in? Real servers with TLS on loopback, and callers with every kind of credential, good and bad."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.access.api_keys import PREFIX, make_key
from serving.access.caller import ACTOR, ROLES
from serving.access.permissions import NO_CREDENTIAL, RPCS
from serving.channel import TOKEN_VARIABLE, Credentials
from serving.client import ModerationClient
from serving.domain import Listing
from serving.errors import SettingsError
from serving.server import serving
from tests.integration.access_support import Authority, Issuer, access_file, bearer, issuer_at, token_rules
from tests.integration.support import (
    AURORA,
    AURORA_SHOE,
    PATIENCE_S,
    Outcome,
    Service,
    Start,
    Touchstone,
    call_raw,
    draw,
)
from touchstone.moderation.v1 import case_service_pb2, decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

CAPABILITIES = "touchstone.moderation.v1.ModerationService/GetCapabilities"
LIST_CASES = "touchstone.moderation.v1.CaseService/ListCases"


@dataclass(frozen=True)
class Guarded:
    """A server that asks for credentials, and what signs them."""

    service: Service
    folder: Path
    authority: Authority
    issuer: Issuer

    @property
    def target(self) -> str:
        """Where it listens."""
        return self.service.target

    def channel(self, **credentials: Any) -> grpc.Channel:
        """Open a channel that trusts the authority, on a connection of its own."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        return Credentials(ca=self.authority.ca, **credentials).channel(self.target, options=options)

    def refusal(self, rpc: str, *, metadata: Any = (), **credentials: Any) -> grpc.StatusCode | None:
        """Call an rpc with an empty message; None when the caller was let in, whatever became of the message."""
        with self.channel(**credentials) as channel:
            try:
                method: Any = channel.unary_stream(f"/{rpc}")
                list(method(b"", metadata=metadata, timeout=PATIENCE_S))
            except grpc.RpcError as error:
                refused = {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
                refused |= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
                return error.code() if error.code() in refused else None
            return None


Guard = Callable[..., AbstractContextManager[Guarded]]


@pytest.fixture
def guard(service: Service, start: Start, tmp_path: Path) -> Guard:
    """Serve the shared application with TLS and an access file of these fields, on a port of its own."""

    @contextmanager
    def guarded(*, mutual: bool = False, tls: bool = True, **fields: Any) -> Iterator[Guarded]:
        authority, issuer = Authority(tmp_path), issuer_at(tmp_path)
        certificate, key = authority.issue("localhost")
        settings = service.application.settings.model_copy(
            update={
                "access": access_file(tmp_path, **fields),
                "tls_certificate": certificate if tls else None,
                "tls_key": key if tls else None,
                "tls_client_ca": authority.ca if mutual else None,
                "refresh_s": 0.1,
            }
        )
        with start(replace(service.application, settings=settings)) as running:
            yield Guarded(running, tmp_path, authority, issuer)

    return guarded


def new_key(guarded: Guarded, *roles: str, lasts: timedelta | None = None) -> str:
    """Put an API key on record, and wait until the server knows it."""
    now = datetime.now(UTC)
    made = make_key(
        name="uploads",
        roles=frozenset(roles),
        brands=frozenset(),
        created_by="test",
        now=now,
        expire_time=None if lasts is None else now + lasts,
    )
    guarded.service.application.store.add_key(made.key)
    until(lambda: guarded.refusal(CAPABILITIES, metadata=bearer(made.text)) is None)
    return made.text


def until(true: Callable[[], bool]) -> None:
    """Ask again until something is true; each question is a call over the network, so none of them is for free."""
    patience = datetime.now(UTC) + timedelta(seconds=PATIENCE_S)
    while not true():
        assert datetime.now(UTC) < patience, "it did not come true"


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_tokens_are_held_to_every_rule(guard: Guard, tmp_path: Path) -> None:
    """A valid token is let in for what its roles cover; one that breaks any rule is UNAUTHENTICATED."""
    other = issuer_at_other(tmp_path)
    with guard(tokens=token_rules()) as guarded:
        issue = guarded.issuer.token
        good = issue(roles=["moderator"])
        bad = {
            "no token": (),
            "not a token": bearer("nonsense"),
            "not bearer": [("authorization", f"Basic {good}")],
            "two": [*bearer(good), *bearer(good)],
            "expired": bearer(issue(lasts_s=-1)),
            "not yet valid": bearer(issue(nbf=datetime.now(UTC) + timedelta(hours=1))),
            "without an end": bearer(issue(exp=None)),
            "another issuer": bearer(issue(iss="https://evil.example")),
            "another audience": bearer(issue(aud="other")),
            "no audience": bearer(issue(aud=None)),
            "no subject": bearer(issue(sub=None)),
            "empty subject": bearer(issue(sub=" ")),
            "a subject of control characters": bearer(issue(sub="ann\n2026 ERROR forged line")),
            "foreign key of the same name": bearer(other.token(roles=["admin"])),
            "signature cut off": bearer(good.rpartition(".")[0] + "."),
            "an API key, which are off": bearer(f"{PREFIX}0123_secret"),
            "a proxy's metadata": [(ACTOR, "ann"), (ROLES, "admin")],
        }

        codes = {name: guarded.refusal(LIST_CASES, metadata=metadata) for name, metadata in bad.items()}

        assert set(codes.values()) == {grpc.StatusCode.UNAUTHENTICATED}, codes
        assert guarded.refusal(LIST_CASES, metadata=bearer(good)) is None
        assert guarded.refusal(LIST_CASES, metadata=bearer(issue(roles="x moderator"))) is None
        denied = bearer(issue(roles=["pipeline", "unknown"]))
        assert guarded.refusal(LIST_CASES, metadata=denied) is grpc.StatusCode.PERMISSION_DENIED
        assert guarded.refusal(CAPABILITIES, metadata=bearer(issue())) is None


def issuer_at_other(folder: Path) -> Issuer:
    """Make an issuer whose key k1 nobody here trusts."""
    other = Issuer(folder / "other.json")
    other.new_key("k1")
    return other


def test_algorithms_that_anybody_could_sign_with_are_refused(guard: Guard) -> None:
    """No signature at all, and a symmetric one over the public key, are the classic forgeries; both are refused."""
    with guard(tokens=token_rules()) as guarded:
        claims = jwt.decode(guarded.issuer.token(roles=["admin"]), options={"verify_signature": False})
        unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "k1"})
        symmetric = jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": "k1"})

        codes = [guarded.refusal(LIST_CASES, metadata=bearer(forged)) for forged in (unsigned, symmetric)]

    assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 2


def test_a_new_key_of_the_issuer_is_found_when_a_token_names_it(guard: Guard) -> None:
    """Keys rotate without a restart: the set is read anew for a name that it lacks, but not for every made-up one."""
    with guard(tokens=token_rules()) as guarded:
        guarded.issuer.new_key("k2")
        guarded.issuer.publish("k1", "k2")
        token = guarded.issuer.token(key_id="k2", roles=["auditor"])

        assert guarded.refusal(LIST_CASES, metadata=bearer(token)) is None

        guarded.issuer.new_key("k3")
        guarded.issuer.publish("k1", "k2", "k3")
        soon = guarded.issuer.token(key_id="k3", roles=["auditor"])
        assert guarded.refusal(LIST_CASES, metadata=bearer(soon)) is grpc.StatusCode.UNAUTHENTICATED


def test_tokens_wait_for_a_key_set_that_is_not_there_yet(guard: Guard) -> None:
    """Without a key set the server serves, and tells those with tokens to try again: they are not at fault."""
    with guard(tokens=token_rules(jwks="missing.json")) as guarded:
        token = bearer(guarded.issuer.token(roles=["auditor"]))

        assert guarded.refusal(LIST_CASES, metadata=token) is grpc.StatusCode.UNAVAILABLE


def test_claims_go_by_the_names_that_the_operator_gives(guard: Guard) -> None:
    """Roles may lie deep in a token, as identity providers put them."""
    with guard(tokens=token_rules(roles_claim="realm_access.roles")) as guarded:
        token = guarded.issuer.token(realm_access={"roles": ["auditor"]}, roles=["admin"])

        assert guarded.refusal(LIST_CASES, metadata=bearer(token)) is None
        screening = "touchstone.moderation.v1.ModerationService/ScreenListing"
        assert guarded.refusal(screening, metadata=bearer(token)) is grpc.StatusCode.PERMISSION_DENIED


def test_a_watch_ends_with_the_token_that_began_it(guard: Guard) -> None:
    """A stream does not outlive its credential: it ends with UNAUTHENTICATED, and the client resumes with a new one."""
    with guard(tokens=token_rules()) as guarded, guarded.channel() as channel:
        stub = ModerationServiceStub(channel)
        token = guarded.issuer.token(roles=["pipeline"], lasts_s=2)
        watch = stub.WatchDecisions(pb.WatchDecisionsRequest(only_new=True), metadata=bearer(token), timeout=PATIENCE_S)

        with pytest.raises(grpc.RpcError) as ended:
            list(watch)

    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


# --- API keys --------------------------------------------------------------------------------------------------------


def test_an_api_key_holds_until_it_is_revoked(guard: Guard) -> None:
    """A key is let in for its roles, without any part of it being right no other is; revoked, it is out in a moment."""
    with guard(api_keys=True) as guarded:
        key = new_key(guarded, "moderator")
        key_id = key.split("_")[1]
        wrong = [
            key[:-1] + ("A" if key[-1] != "A" else "B"),
            f"{PREFIX}{key_id}_",
            f"{PREFIX}ffff_{key.split('_', 2)[2]}",
        ]

        assert guarded.refusal(LIST_CASES, metadata=bearer(key)) is None
        assert {guarded.refusal(LIST_CASES, metadata=bearer(one)) for one in wrong} == {grpc.StatusCode.UNAUTHENTICATED}
        screening = "touchstone.moderation.v1.ModerationService/ScreenListing"
        assert guarded.refusal(screening, metadata=bearer(key)) is grpc.StatusCode.PERMISSION_DENIED

        guarded.service.application.store.revoke_key(key_id, actor="test", time=datetime.now(UTC))
        until(lambda: guarded.refusal(LIST_CASES, metadata=bearer(key)) is grpc.StatusCode.UNAUTHENTICATED)


def test_a_watch_ends_when_its_key_is_revoked(guard: Guard) -> None:
    """A stream that was let in does not go on for ever: it is asked about again."""
    with guard(api_keys=True) as guarded, guarded.channel() as channel:
        key = new_key(guarded, "pipeline")
        watch = ModerationServiceStub(channel).WatchDecisions(
            pb.WatchDecisionsRequest(only_new=True), metadata=bearer(key), timeout=PATIENCE_S
        )
        watch.initial_metadata()

        guarded.service.application.store.revoke_key(key.split("_")[1], actor="test", time=datetime.now(UTC))
        with pytest.raises(grpc.RpcError) as ended:
            list(watch)

    assert ended.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_guessing_keys_is_bounded(guard: Guard) -> None:
    """After some wrong secrets for a key the next is not even looked at for a while; the right one goes on."""
    with guard(api_keys=True) as guarded:
        key = new_key(guarded, "auditor")
        guesses = [f"{PREFIX}{key.split('_')[1]}_guess{number}" for number in range(11)]

        codes = [guarded.refusal(LIST_CASES, metadata=bearer(guess)) for guess in guesses]

        assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 10 + [grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert guarded.refusal(LIST_CASES, metadata=bearer(key)) is None


# --- certificates ----------------------------------------------------------------------------------------------------


def test_certificates_say_who_calls(guard: Guard) -> None:
    """With mutual TLS a client without a certificate does not get a connection; a known name has its roles."""
    names = {
        "upload.example": {"caller": "uploads", "roles": ["auditor"]},
        "by-cn": {"caller": "cn", "roles": ["lead"]},
    }
    with guard(mutual=True, certificates=names) as guarded:
        known, by_cn, stranger = (
            dict(zip(("certificate", "key"), guarded.authority.issue(name, alternative=alternative), strict=True))
            for name, alternative in (("upload.example", True), ("by-cn", False), ("stranger.example", True))
        )
        foreign = Authority(guarded.folder, "foreign").issue("upload.example", file="foreign-upload")

        assert guarded.refusal(LIST_CASES, **known) is None
        assert guarded.refusal(LIST_CASES, **by_cn) is None
        assert guarded.refusal(LIST_CASES, **stranger) is grpc.StatusCode.UNAUTHENTICATED
        assert guarded.refusal(LIST_CASES) is grpc.StatusCode.UNAVAILABLE
        assert guarded.refusal(LIST_CASES, certificate=foreign[0], key=foreign[1]) is grpc.StatusCode.UNAVAILABLE


def test_a_rotated_certificate_is_used_without_a_restart(guard: Guard) -> None:
    """New connections get the new certificate; while the new pair is not whole, the old one stays."""
    with guard(tokens=token_rules()) as guarded:
        token = bearer(guarded.issuer.token(roles=["auditor"]))
        certificate = guarded.folder / "localhost.pem"
        certificate.write_bytes(b"half a certificate")
        assert guarded.refusal(LIST_CASES, metadata=token) is None

        newcomer = Authority(guarded.folder, "newcomer")
        newcomer.issue("localhost")

        assert replace(guarded, authority=newcomer).refusal(LIST_CASES, metadata=token) is None
        assert guarded.refusal(LIST_CASES, metadata=token) is grpc.StatusCode.UNAVAILABLE


# --- what holds for all ----------------------------------------------------------------------------------------------


def test_every_rpc_asks_who_calls(guard: Guard) -> None:
    """Without a credential each rpc is UNAUTHENTICATED, also those not built; only health and buyers' are open."""
    with guard(api_keys=True) as guarded, guarded.channel() as channel:
        codes = {
            rpc: error.code() if error else None
            for rpc, permission in RPCS.items()
            if permission not in NO_CREDENTIAL
            for error in [call_raw(replace(guarded.service, channel=channel), rpc, b"")[1]]
        }
        health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)

    assert set(codes.values()) == {grpc.StatusCode.UNAUTHENTICATED}, codes
    assert health.status == health_pb2.HealthCheckResponse.SERVING


def test_refusals_are_logged_without_the_credential(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """The log says who was refused what; whole tokens and keys stand in no line of any level."""
    caplog.set_level(logging.DEBUG)
    with guard(tokens=token_rules(), api_keys=True) as guarded:
        key = new_key(guarded, "auditor")
        tokens = [
            guarded.issuer.token("ann", roles=["pipeline"]),
            guarded.issuer.token("bob", lasts_s=-1),
            key,
            key + "x",
        ]
        for token in tokens:
            guarded.refusal("touchstone.moderation.v1.CaseService/ClaimCase", metadata=bearer(token))

    lines = [record.getMessage() for record in caplog.records]
    denied = [line for line in lines if "ClaimCase refused" in line]
    assert len(denied) == 4
    assert any("'ann' (token)" in line for line in denied)
    assert any(f"(key {PREFIX}{key.split('_')[1]})" in line for line in denied)
    secrets = [part for token in tokens for part in (token, token.rpartition(".")[2], token.split("_", 2)[-1])]
    assert not [line for line in lines if any(secret in line for secret in secrets)]


def test_a_proxy_is_believed_where_the_access_file_says_so(guard: Guard) -> None:
    """The metadata of a proxy count only when the file says so, and a token goes before them."""
    proxied = [(ACTOR, "ann"), (ROLES, "auditor")]
    with guard(tokens=token_rules(), proxy=True) as guarded:
        token = bearer(guarded.issuer.token("bob", roles=["pipeline"]))

        assert guarded.refusal(LIST_CASES, metadata=proxied) is None
        assert guarded.refusal(LIST_CASES, metadata=[*proxied, *token]) is grpc.StatusCode.PERMISSION_DENIED
        assert guarded.refusal(LIST_CASES) is grpc.StatusCode.UNAUTHENTICATED


def test_proxied_roles_bind_even_where_nobody_must_sign_in(service: Service) -> None:
    """Without an access file a caller without roles may do everything; one whose roles are told is held to them."""
    stub = CaseServiceStub(service.channel)
    request = case_service_pb2.ListCasesRequest()
    owner = ((ACTOR, "acme"), (ROLES, "brand-owner"))

    stub.ListCases(request, timeout=PATIENCE_S)
    stub.ListCases(request, metadata=((ACTOR, "ann"),), timeout=PATIENCE_S)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ListCases(request, metadata=owner, timeout=PATIENCE_S)

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("listen", "missing"), [("0.0.0.0:0", "TLS"), ("[::]:0", "authentication"), ("touchstone.example:0", "access")]
)
def test_a_public_address_takes_tls_and_authentication(service: Service, listen: str, missing: str) -> None:
    """An open server does not listen beyond the machine unless it was told so in as many words."""

    async def listening(**more: object) -> int:
        settings = service.application.settings.model_copy(update=more)
        async with serving(replace(service.application, settings=settings), listen=listen) as running:
            return running.port

    with pytest.raises(SettingsError, match=rf"{missing}.*allow_insecure_public"):
        asyncio.run(listening())
    if listen.startswith("0.0.0.0"):
        assert asyncio.run(listening(allow_insecure_public=True)) > 0


# --- the client and the commands -------------------------------------------------------------------------------------


def test_the_client_that_ships_signs_in(guard: Guard, tmp_path: Path) -> None:
    """With the authority's file and a token file the client gets a decision; a renewed file is used at once."""
    with guard(tokens=token_rules()) as guarded:
        token_file = tmp_path / "token"
        token_file.write_text(guarded.issuer.token(roles=["pipeline"]) + "\n")
        credentials = Credentials(ca=guarded.authority.ca, token_file=token_file)

        with ModerationClient(guarded.target, credentials) as client:
            decision = client.screen_or_raise(Listing(listing_id="tls", images=(draw(7_077),)), timeout_s=PATIENCE_S)
            token_file.write_text(guarded.issuer.token(roles=["auditor"]))
            held = client.screen(Listing(listing_id="tls", images=(draw(7_077),)), timeout_s=PATIENCE_S)

    assert decision.decision_id
    assert held.verdict == decision_pb2.VERDICT_REVIEW
    assert "PERMISSION_DENIED" in held.reasons[0].text


def test_every_command_with_a_server_signs_in(
    guard: Guard, touchstone: Touchstone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of each kind reach a server with TLS by a token file, and are refused without a token."""
    (tmp_path / "shoe.png").write_bytes(draw(AURORA_SHOE))
    (tmp_path / "new.jsonl").write_text(
        json.dumps({"brand": AURORA.name, "image": "shoe.png", "kind": "product"}) + "\n"
    )
    shoe = tmp_path / "shoe.png"
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("doctor",),
        ("screen", shoe),
        ("cases", "list"),
        ("brands", "show", AURORA.brand_id),
        ("brands", "references", AURORA.brand_id),
        ("brands", "upload", tmp_path / "new.jsonl", "--hold"),
        ("brands", "preview", shoe, "--brand", AURORA.brand_id, "--kind", "product"),
        ("brands", "find", shoe),
    )
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with guard(tokens=token_rules()) as guarded:
        token = tmp_path / "token"
        token.write_text(guarded.issuer.token(roles=["admin", "pipeline", "moderator", "lead"]))
        where = ("--server", guarded.target, "--tls-ca", guarded.authority.ca)

        def ask(command: tuple[str | Path, ...], *credentials: str | Path) -> Outcome:
            at = 1 if command[0] == "cases" else len(command)
            return touchstone(*command[:at], *where, *credentials, *command[at:])

        signed = {command[:2]: ask(command, "--token-file", token) for command in commands}
        unsigned = {command[:2]: ask(command) for command in commands if command[0] != "doctor"}

    assert {name: one.stderr for name, one in signed.items() if one.code} == {}
    assert {one.code for one in unsigned.values()} == {1}
    assert all("UNAUTHENTICATED" in one.stderr for one in unsigned.values())


def test_a_token_does_not_leave_the_machine_in_plaintext() -> None:
    """Sending a token without TLS is refused, but to this machine."""
    for elsewhere in ("touchstone.example:50051", "127.0.0.1.example:50051", "127.example:50051"):
        with pytest.raises(SettingsError, match="plaintext"):
            ModerationClient(elsewhere, Credentials(token="secret"))
    assert "secret" not in repr(Credentials(token="secret"))
    ModerationClient("127.0.0.1:1", Credentials(token="secret")).close()


def test_keys_are_made_listed_and_revoked(
    guard: Guard, touchstone: Touchstone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from the command line opens the service to the command line, until it is revoked there."""
    with guard(api_keys=True) as guarded:
        data = guarded.service.application.settings.data_dir
        here = ("--data-dir", data, "--json")
        there = ("cases", "--server", guarded.target, "--tls-ca", guarded.authority.ca, "list")
        made = touchstone("--data-dir", data, "keys", "create", "--name", "bob", "--role", "moderator")
        key = made.stdout.strip()
        key_id = key.split("_")[1]
        monkeypatch.setenv("TOUCHSTONE_TOKEN", key)
        until(lambda: touchstone(*there).code == 0)

        listed = touchstone(*here, "keys", "list")
        revoked = touchstone(*here, "keys", "revoke", key_id)

        assert key_id in listed.stdout
        assert key not in listed.stdout
        assert "argon2" not in listed.stdout + revoked.stdout
        until(lambda: touchstone(*there).code == 1)
        refused = touchstone(*there)
        doctor = touchstone("doctor", "--server", guarded.target, "--tls-ca", guarded.authority.ca)

    assert "UNAUTHENTICATED" in refused.stderr
    assert key not in refused.stderr
    assert doctor.code == 0


def test_a_second_spelling_of_a_keys_name_is_refused(touchstone: Touchstone, tmp_path: Path) -> None:
    """It would make two people of one where two must agree; the same spelling is a key's successor."""
    make = ("--data-dir", tmp_path / "keys", "keys", "create", "--role", "moderator", "--name")

    first, again = touchstone(*make, "Ann Lee"), touchstone(*make, "Ann Lee")
    touchstone("--data-dir", tmp_path / "keys", "keys", "revoke", first.stdout.split("_")[1])
    others = [touchstone(*make, name) for name in ("ann lee", "ＡＮＮ ＬＥＥ", "AnnLee", "Ben")]

    assert [one.code for one in (first, again, *others)] == [0, 0, 2, 2, 2, 0]
    assert "there is a key of 'Ann Lee'" in others[0].stderr


def test_a_key_for_a_brand_owner_names_its_brands(touchstone: Touchstone, tmp_path: Path) -> None:
    """A brand owner without brands, brands without that role, and brands that there are not, are refused."""
    make = ("--data-dir", tmp_path / "keys", "keys", "create", "--name", "acme", "--role")

    outcomes = [
        touchstone(*make, "brand-owner"),
        touchstone(*make, "lead", "--brand", "acme"),
        touchstone(*make, "brand-owner", "--brand", "acme"),
        touchstone(*make, "owner"),
    ]

    assert [outcome.code for outcome in outcomes] == [2, 2, 1, 2]
    assert "no keys" in touchstone("--data-dir", tmp_path / "keys", "keys", "list").stdout
