"""Is every rpc, and every page of the console, open to exactly those roles that are declared? All of both, one by one.

Own and another tenant's things, for every rpc again, are `test_tenancy`'s and `test_brand_tenancy`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import httpx2
import pytest

from serving.access.caller import Caller
from serving.access.permissions import ADMIN, GRANTS, NO_ROLE, ROLES, RPCS
from serving.app import Application, open_application
from serving.console.application import pages
from tests.integration.access_support import access_file, bearer, issuer_at, token_rules
from tests.integration.console_support import Console, console_running
from tests.integration.support import PATIENCE_S, Service, Start, fill, settings_at

SETS = [(), *((role,) for role in ROLES), ("moderator", "brand-owner"), ("auditor", "pipeline"), ("no-such-role",)]
NOT_YET = {grpc.StatusCode.UNIMPLEMENTED}
# What a page asks for before anything else, for those pages that are not everybody's.
MISSING = "no-such-id"
# Those that can be chosen where nobody has to show a credential; the others report, and have no pages.
CHOSEN = ("moderator", "lead", "auditor", "brand-owner", "admin")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    """Open an application for this suite alone."""
    with open_application(settings_at(tmp_path_factory.mktemp("matrix"))) as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="module")
def guarded(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Any]]:
    """Serve where every caller shows a token."""
    folder = tmp_path_factory.mktemp("guarded")
    issuer = issuer_at(folder)
    revoked = folder / "revoked.txt"
    revoked.write_text("")
    access = access_file(folder, tokens=token_rules(revoked="revoked.txt"))
    settings = settings_at(folder / "data").model_copy(update={"access": access, "refresh_s": 0.1})
    with open_application(settings) as opened:
        fill(opened)
        with start(opened) as running:
            yield running, issuer


def refusal(service: Service, rpc: str, metadata: Any) -> grpc.RpcError | None:
    """Call an rpc with an empty message; return the refusal of admission, if it was one."""
    method: Any = service.channel.unary_stream(f"/{rpc}")
    # Whoever may watch waits for news that never come.
    call = method(b"", metadata=metadata, timeout=0.3 if rpc.endswith("WatchDecisions") else PATIENCE_S)
    try:
        next(call, None)
    except grpc.RpcError as error:
        refused = error.code() in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)
        return error if refused and "roles" in (error.details() or "") else None
    finally:
        call.cancel()
    return None


@pytest.mark.parametrize("roles", SETS, ids=lambda roles: "+".join(roles) or "none")
def test_every_rpc_lets_in_exactly_the_roles_that_are_declared(
    guarded: tuple[Service, Any], roles: tuple[str, ...]
) -> None:
    """Of each rpc: who has one of its roles, or is the administrator, is let in, and nobody else."""
    service, issuer = guarded
    metadata = bearer(issuer.token(roles=list(roles), brands=["aurora"]))

    let_in = {rpc for rpc in RPCS if refusal(service, rpc, metadata) is None}

    declared = {
        rpc for rpc, permission in RPCS.items() if permission in NO_ROLE or {*roles} & ({ADMIN} | GRANTS[permission])
    }
    assert let_in == declared


def test_a_revoked_token_ends_without_a_restart(guarded: tuple[Service, Any]) -> None:
    """A token whose id is written down is refused within moments, another of the same person is not; then all are."""
    service, issuer = guarded
    stolen, other = (bearer(issuer.token(sub="eve", roles=["auditor"], jti=one)) for one in ("t-stolen", "t-other"))
    rpc = "touchstone.moderation.v1.CaseService/ListCases"

    def code(metadata: Any) -> grpc.StatusCode | None:
        try:
            method: Any = service.channel.unary_stream(f"/{rpc}")
            list(method(b"", metadata=metadata, timeout=PATIENCE_S))
        except grpc.RpcError as error:
            return error.code()
        return None

    before = code(stolen), code(other)
    revoked = issuer.jwks.with_name("revoked.txt")
    revoked.write_text("t-stolen\n")
    while code(stolen) is None:
        pass
    then = code(stolen), code(other)
    revoked.write_text("sub:eve\n")
    while code(other) is None:
        pass

    assert before == (None, None)
    assert then == (grpc.StatusCode.UNAUTHENTICATED, None)
    assert code(stolen) is grpc.StatusCode.UNAUTHENTICATED


@pytest.fixture(scope="module")
def console(event_loop_thread: asyncio.AbstractEventLoop, application: Application) -> Iterator[Console]:
    """Serve the console."""
    with console_running(event_loop_thread, application) as running:
        yield running


PATHS = sorted({page.path for page in pages() if page.method == "GET"})
FORMS = sorted({page.path for page in pages() if page.method == "POST"})


def filled_in(path: str) -> str:
    """Put an id that there is not into every place of a path."""
    parts = (MISSING if part.startswith("{") else part for part in path.split("/"))
    return "/".join(parts)


@pytest.mark.parametrize("role", ["", *CHOSEN])
def test_no_page_shows_a_role_what_its_rpcs_refuse(console: Console, role: str) -> None:
    """Every page and form: shown, elsewhere, not found or refused, and never a failure of ours."""
    visitor = console.person(name="vic", role=role, brands="aurora") if role else console.visitor()

    codes = {path: visitor.get(filled_in(path)).status_code for path in PATHS if path != "/sign-out"}
    codes |= {f"{path} sent": visitor.post(filled_in(path)).status_code for path in FORMS if "sign" not in path}

    assert {path: code for path, code in codes.items() if code >= 500} == {}
    assert len(codes) > 20


@pytest.mark.parametrize(
    ("path", "rpc"),
    [
        ("/queue", "CaseService/ListCases"),
        ("/insight", "InsightService/GetVolumes"),
        ("/appeals", "CaseService/ListCases"),
    ],
)
def test_a_page_is_open_to_the_roles_of_its_rpc(console: Console, path: str, rpc: str) -> None:
    """Who may not call what a page is made of gets no page of it, and who may does."""
    allowed = GRANTS[RPCS[f"touchstone.moderation.v1.{rpc}"]] | {ADMIN}

    shown = {}
    for role in CHOSEN:
        answer: httpx2.Response = console.person(name="vic", role=role, brands="aurora").get(path)
        shown[role] = answer.status_code

    assert {role for role, code in shown.items() if code == 200} == {role for role in CHOSEN if role in allowed}, shown
    assert {shown[role] for role in CHOSEN if role not in allowed} <= {403}


def test_an_unknown_role_is_nobodys(console: Console) -> None:
    """Signing in by name with a role that there is not is refused."""
    answer = console.visitor().post("/sign-in", name="vic", role="emperor")

    assert answer.status_code >= 400
    assert Caller("vic", frozenset({"emperor"})).sees("aurora")  # which says nothing of what the caller may call
