"""What is a page to the console? A row of a table: method, path, and the function that answers.

`Endpoint` stands around each: it opens the session, asks the service who calls, checks that a form is ours, and turns
whatever the service refuses into a page with a way out.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import grpc
from google.protobuf.message import Message
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from serving.access.caller import ACTOR, BRANDS, ROLES
from serving.console.failures import Failure, failure_of
from serving.console.guard import bounded, is_ours
from serving.console.proxies import is_from_proxy
from serving.console.room import is_large, room_for
from serving.console.sessions import LONGEST_S, Credential, Session
from serving.console.view import Shared, View, local
from serving.errors import Overloaded
from serving.telemetry.pages import watching_page
from serving.telemetry.request import REQUEST_ID
from touchstone.moderation.v1.moderation_service_pb2 import GetCallerRequest, GetCallerResponse

log = logging.getLogger(__name__)

SIGN_IN = "/sign-in"
_FORM_BYTES = 256 * 1024
_FIELD = "csrf"
_HEADER = "x-csrf-token"


@dataclass(frozen=True, kw_only=True)
class Page:
    """One way to ask. `answer` may raise `grpc.aio.AioRpcError` and HTTPException: both become error pages."""

    method: str
    path: str
    answer: Callable[[View], Awaitable[Response]]
    public: bool = False  # also for who has not signed in; then nobody's name is asked
    background: bool = False  # asked by a page that lies open, not by a person: keeps no session from ending
    lazy: bool = False  # a part that a page loads after itself: what fails is told in its place
    max_body_bytes: int = _FORM_BYTES


@dataclass(frozen=True, kw_only=True)
class Nav:
    """A way to a group of pages, shown to whom the service lets call the rpc of `needs`.

    The words are `GROUP.nav` and, on the first page, `GROUP.about`; `key` is its shortcut.
    """

    group: str
    path: str
    needs: type[Message]
    key: str = ""


class Endpoint:
    """Answers one page."""

    def __init__(self, page: Page, shared: Shared) -> None:
        self._page = page
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        with watching_page(self._shared.telemetry, f"{self._page.method} {self._page.path}") as watched:
            response = await self._respond(Request(scope, bounded(receive, max_bytes=self._page.max_body_bytes)))
            watched.status = response.status_code
            response.headers[REQUEST_ID] = watched.request_id
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        cookie = request.cookies.get(cookie_name(request), "")
        opened = self._shared.sessions.open(cookie) if cookie else None
        session, stale = opened or (self._shared.sessions.begin(), True)
        view = View(
            request=request,
            shared=self._shared,
            session=_with_proxy(session, request),
            lazy=self._page.lazy,
        )
        began = time.perf_counter()
        try:
            with self._room(request):
                response = _to_sign_in(view) if self._is_strangers_form(view) else await self._answer(view)
        except Overloaded as error:
            response = view.fail(
                Failure(429, retry_after_s=math.ceil(error.retry_after_s), hint="failure.without_files")
            )
        finally:
            await view.form.close()
        response.headers["server-timing"] = f"total;dur={(time.perf_counter() - began) * 1000:.1f}"
        if stale and not self._page.background and not _sets_session(response, request):
            keep(response, view, session)
        return response

    def _room(self, request: Request) -> AbstractContextManager[None]:
        """Hold a place where a stranger may be sending files. Raises Overloaded on being entered, with none left."""
        takes_files = self._page.public and self._page.max_body_bytes > _FORM_BYTES
        if takes_files and is_large(request, small_bytes=_FORM_BYTES):
            return room_for(request, self._shared.bodies)
        return nullcontext()

    def _is_strangers_form(self, view: View) -> bool:
        """Tell whether somebody sends a form who must sign in first: nothing of it is taken in."""
        signed_out = view.session.credential is None and not self._page.public
        return signed_out and view.request.method == "POST" and is_ours(view.request.headers)

    async def _answer(self, view: View) -> Response:
        try:
            if view.request.method == "POST":
                await _check_form(view)
            view.caller = await self._caller(view)
            if view.caller is None and not self._page.public:
                return _to_sign_in(view)
            return await self._page.answer(view)
        except HTTPException as error:
            return view.fail(Failure(error.status_code))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAUTHENTICATED and not self._page.public:
                return _to_sign_in(view)
            failure = failure_of(error)
            if failure.status >= 500:
                log.warning("%s %s: %s %s", self._page.method, self._page.path, error.code().name, error.details())
            return view.fail(failure)
        except Exception:
            log.exception("%s %s failed", self._page.method, self._page.path)
            return view.fail(Failure(500))

    async def _caller(self, view: View) -> GetCallerResponse | None:
        """Ask who calls. A public page is drawn also while the service is away, or the credential no longer holds."""
        if view.session.credential is None:
            return None
        try:
            answer: GetCallerResponse = await view.ask(GetCallerRequest())
        except grpc.aio.AioRpcError:
            if not self._page.public:
                raise
            return None
        return answer


def cookie_name(request: Request) -> str:
    """Return the name of the session's cookie: with TLS, one that no other host can set."""
    return "__Host-touchstone" if request.url.scheme == "https" else "touchstone"


def keep(response: Response, view: View, session: Session) -> None:
    """Have the browser keep a session.

    Lax, not Strict: somebody who follows a link from a mail stays signed in, and nothing is changed by a link.
    """
    view.set_cookie(response, cookie_name(view.request), view.shared.sessions.seal(session), max_age=LONGEST_S)


def forget(response: Response, view: View) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(cookie_name(view.request), path="/", secure=view.secure, httponly=True, samesite="lax")


def _sets_session(response: Response, request: Request) -> bool:
    name = f"{cookie_name(request)}="
    return any(key == b"set-cookie" and value.startswith(name.encode()) for key, value in response.raw_headers)


async def _check_form(view: View) -> None:
    """Read a form, and check that it is ours. Raises HTTPException."""
    request = view.request
    if not is_ours(request.headers):
        raise HTTPException(403)
    view.form = await request.form(max_files=100, max_fields=1_000)
    sent = request.headers.get(_HEADER) or view.form.get(_FIELD, "")
    if not isinstance(sent, str) or not secrets.compare_digest(sent.encode(), view.session.csrf.encode()):
        raise HTTPException(403)


def _to_sign_in(view: View) -> Response:
    """Lead to the sign-in, and back to where a person wanted to go."""
    asked = view.request.headers.get("hx-current-url", "") if view.by_htmx else ""
    url = view.request.url
    back = "/" if view.by_htmx or view.request.method != "GET" else local(f"{url.path}?{url.query}".rstrip("?"))
    if asked:
        back = local(asked.partition(view.request.headers.get("host", "\0"))[2], "/")
    return view.go(SIGN_IN if back == "/" else f"{SIGN_IN}?{urlencode({'next': back})}")


def _with_proxy(session: Session, request: Request) -> Session:
    """Take the credential from the headers of a proxy that is believed; it signs people in, and removes theirs."""
    if not is_from_proxy(request):
        return session
    authorization = request.headers.get("authorization", "")
    token = authorization.partition(" ")[2] if authorization.lower().startswith("bearer ") else ""
    name, role, brands = (request.headers.get(header, "") for header in (ACTOR, ROLES, BRANDS))
    known = Credential(token=token, name=name, role=role, brands=brands)
    return replace(session, credential=known if known.metadata else None)
