"""How does somebody sign in and out? The forms, and the choice of a language and of colours.

A credential begins a session only once the service has answered to it. Where nobody has to sign in, which is so on one
machine alone, a name and a role are chosen instead, and the service holds the person to that role.
"""

from __future__ import annotations

import grpc
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from serving.access.caller import BRAND_OWNER
from serving.access.permissions import ADMIN, AUDITOR, LEAD, MODERATOR
from serving.console.failures import failure_of
from serving.console.page import Page, forget, keep
from serving.console.sessions import MAX_TOKEN_CHARACTERS, Credential
from serving.console.view import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, View, local
from serving.console.words import LANGUAGES
from touchstone.moderation.v1.moderation_service_pb2 import GetCallerRequest

# Those that have pages.
_ROLES = (MODERATOR, LEAD, AUDITOR, BRAND_OWNER, ADMIN)
_FOR_A_YEAR_S = 365 * 24 * 3600


async def show(view: View) -> Response:
    """Show the form."""
    if view.caller is not None:
        return view.go(local(view.request.query_params.get("next", "")))
    return await _form(view)


async def sign_in(view: View) -> Response:
    """Try the credential out, and begin a session with it."""
    credential = _credential(view)
    fault = _fault(credential)
    if fault:
        return await _form(view, status=422, fault=view.words(fault, limit=MAX_TOKEN_CHARACTERS))
    # A name is believed from this process: it must not reach a service that knows people by something better.
    if not credential.token and not await _open_to_all(view):
        return await _form(view, status=401, fault=view.words("signing.fault.empty"))
    try:
        await view.shared.upstream.ask(GetCallerRequest(), credential.metadata)
    except grpc.aio.AioRpcError as error:
        if error.code() not in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT):
            raise
        return await _form(view, status=401, fault=failure_of(error).message)
    view.shared.sessions.end(view.session)
    response = view.go(local(str(view.form.get("next", ""))))
    keep(response, view, view.shared.sessions.begin(credential))
    return response


async def sign_out(view: View) -> Response:
    """End the session here and in the browser; a visitor's has nothing to be refused, and strangers could end many."""
    if view.session.credential is not None:
        view.shared.sessions.end(view.session)
    view.tell("signing.signed_out")
    response = view.go("/sign-in")
    forget(response, view)
    return response


async def choose(view: View) -> Response:
    """Keep a language or colours."""
    response = view.go(local(str(view.form.get("next", ""))))
    chosen = (("language", LANGUAGE_COOKIE, LANGUAGES), ("theme", THEME_COOKIE, THEMES))
    for name, cookie, allowed in chosen:
        value = view.form.get(name)
        if value is not None and value not in allowed:
            raise HTTPException(422)
        if value is not None:
            view.set_cookie(response, cookie, str(value), max_age=_FOR_A_YEAR_S)
    return response


async def healthz(view: View) -> Response:
    """Tell a load balancer whether pages can be drawn: whether the service answers."""
    well = await view.shared.upstream.healthy()
    return JSONResponse({"serving": well}, 200 if well else 503)


async def _form(view: View, *, status: int = 200, fault: str = "") -> Response:
    typed = {name: str(view.form.get(name, "")) for name in ("name", "role", "brands")}
    wanted = view.form.get("next") or view.request.query_params.get("next", "")
    return view.page(
        "signing/sign_in.html",
        status=status,
        by_name=await _open_to_all(view),
        roles=_ROLES,
        fault=fault,
        typed=typed,
        wanted=local(str(wanted)),
    )


async def _open_to_all(view: View) -> bool:
    """Tell whether the service lets people in without a credential."""
    try:
        answer = await view.shared.upstream.ask(GetCallerRequest(), ())
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED:
            return False
        raise
    return not answer.sign_in_required


def _credential(view: View) -> Credential:
    values = {name: str(view.form.get(name, "")).strip() for name in ("token", "name", "role", "brands")}
    return Credential(**values)


def _fault(credential: Credential) -> str:
    """Return the id of what is wrong with what was typed, or ""."""
    typed = "".join((credential.token, credential.name, credential.role, credential.brands))
    if not credential.token and not credential.name:
        return "signing.fault.empty"
    if len(credential.token) > MAX_TOKEN_CHARACTERS:
        return "signing.fault.too_long"
    if not (typed.isascii() and typed.isprintable()):  # it travels in a header
        return "signing.fault.characters"
    if not credential.token and credential.role not in _ROLES:
        return "signing.fault.role"
    return ""


PAGES = (
    Page(method="GET", path="/sign-in", answer=show, public=True),
    Page(method="POST", path="/sign-in", answer=sign_in, public=True),
    Page(method="POST", path="/sign-out", answer=sign_out, public=True),
    Page(method="POST", path="/choose", answer=choose, public=True),
    Page(method="GET", path="/healthz", answer=healthz, public=True),
)
