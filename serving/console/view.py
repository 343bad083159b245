"""What does a page have in its hands? The request, who asks, the service in their name, and ways to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from google.protobuf.message import Message
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from serving.console.drawing import Drawing
from serving.console.failures import Failure
from serving.console.formats import Formats, zone_of
from serving.console.room import strangers_places
from serving.console.sessions import Session, Sessions
from serving.console.upstream import TIMEOUT_S, Upstream, rpc_name
from serving.console.words import LANGUAGES, NAMES, Words, preferred
from serving.places import Places
from serving.telemetry.telemetry import UNOBSERVED, Telemetry
from touchstone.moderation.v1 import moderation_service_pb2

LANGUAGE_COOKIE, THEME_COOKIE, ZONE_COOKIE = "touchstone-language", "touchstone-theme", "touchstone-zone"
FLASH_COOKIE = "touchstone-flash"
THEMES = ("auto", "light", "dark")
_FLASH_LASTS_S = 120


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What all requests use: the service, the sessions, the templates, the words; `nav` leads to the pages."""

    upstream: Upstream
    sessions: Sessions
    drawing: Drawing
    words: Mapping[str, Words]
    nav: tuple[Any, ...]
    bodies: Places = field(default_factory=strangers_places)
    telemetry: Telemetry = UNOBSERVED


@dataclass(eq=False, kw_only=True)
class View:
    """One request and its answer. `caller` is None for who has not signed in."""

    request: Request
    shared: Shared
    session: Session
    lazy: bool = False  # whether what is asked for is loaded by a page after itself
    caller: moderation_service_pb2.GetCallerResponse | None = None
    form: FormData = field(default_factory=FormData)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    told: list[list[Any]] = field(default_factory=list)

    # --- who asks, and how they read -------------------------------------------------------------------------------

    @property
    def language(self) -> str:
        """The language that was chosen, else the browser's."""
        chosen = self.request.cookies.get(LANGUAGE_COOKIE, "")
        return chosen if chosen in LANGUAGES else preferred(self.request.headers.get("accept-language", ""))

    @property
    def theme(self) -> str:
        """The colours that were chosen: auto, light or dark."""
        chosen = self.request.cookies.get(THEME_COOKIE, "")
        return chosen if chosen in THEMES else THEMES[0]

    @property
    def words(self) -> Words:
        """The messages of their language."""
        return self.shared.words[self.language]

    @property
    def formats(self) -> Formats:
        """How they read times and numbers."""
        zone = zone_of(unquote(self.request.cookies.get(ZONE_COOKIE, "")))
        return Formats(self.words.locale, zone, self.now)

    @property
    def name(self) -> str:
        """The caller's name, as the service knows it; "" for nobody's."""
        return self.caller.name if self.caller is not None else ""

    @property
    def by_htmx(self) -> bool:
        """Whether a part of a page is asked for, not a page."""
        return self.request.headers.get("hx-request") == "true"

    def may(self, kind: type[Message]) -> bool:
        """Tell whether the service lets this person call the rpc of a kind of request."""
        return self.caller is not None and rpc_name(kind) in self.caller.rpcs

    # --- the service -----------------------------------------------------------------------------------------------

    async def ask(self, request: Message, *, timeout_s: float = TIMEOUT_S) -> Any:
        """Call the rpc of a request in the person's name. Raises `grpc.aio.AioRpcError`, to become an error page."""
        return await self.shared.upstream.ask(request, self._metadata(), timeout_s=timeout_s)

    def follow(self, request: Message, *, timeout_s: float) -> AsyncIterator[Any]:
        """Call an rpc that answers with a stream."""
        return self.shared.upstream.follow(request, self._metadata(), timeout_s=timeout_s)

    async def send(self, kind: type[Message], requests: AsyncIterator[Message], *, timeout_s: float) -> Any:
        """Call an rpc that takes a stream of one kind of request."""
        return await self.shared.upstream.send(kind, requests, self._metadata(), timeout_s=timeout_s)

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        return self.session.credential.metadata if self.session.credential is not None else ()

    # --- answers ---------------------------------------------------------------------------------------------------

    def page(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> Response:
        """Answer with a page, or a part of one; `context` is what its template takes besides the usual."""
        flashes = self._flashes()
        drawn = self.shared.drawing.draw(template, self._usual() | {"flashes": flashes} | context)
        response = HTMLResponse(drawn, status, headers=dict(headers or {}))
        if flashes:
            response.delete_cookie(FLASH_COOKIE, path="/")
        return response

    def go(self, path: str) -> Response:
        """Answer by leading on to a path of ours, with what was told."""
        if self.by_htmx:
            response = Response(status_code=204, headers={"hx-redirect": path})
        else:
            response = RedirectResponse(path, 303)
        if self.told:
            sealed = self.shared.sessions.seal_value("flash", self.told)
            self.set_cookie(response, FLASH_COOKIE, sealed, max_age=_FLASH_LASTS_S)
        return response

    def fail(self, failure: Failure) -> Response:
        """Answer with what went wrong and a way out: a page, or for htmx the message alone.

        It stands among the messages of the page that asked, or where a part would that the page loads after itself.
        What the page meant to do with the answer, to cut something out of it or to take its address, is called off.
        """
        headers = {} if failure.retry_after_s is None else {"retry-after": str(failure.retry_after_s)}
        if not self.by_htmx:
            return self.page("failure/page.html", status=failure.status, headers=headers, failure=failure)
        headers |= {"hx-reswap": "innerHTML", "hx-reselect": "unset", "hx-push-url": "false"}
        if not self.lazy:
            headers["hx-retarget"] = "#messages"
        return self.page("failure/fragment.html", status=failure.status, headers=headers, failure=failure)

    def tell(self, message_id: str, *, kind: str = "good", **values: object) -> None:
        """Show a message on the next page; `kind` is good, note or bad."""
        self.told.append([kind, message_id, values])

    def set_cookie(
        self, response: Response, name: str, value: str, *, max_age: int | None = None, script: bool = False
    ) -> None:
        """Set a cookie for this site alone; scripts of ours read it only if they are meant to."""
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=self.secure, httponly=not script, samesite="lax"
        )

    @property
    def secure(self) -> bool:
        """Whether the browser speaks TLS."""
        return self.request.url.scheme == "https"

    def _flashes(self) -> list[tuple[str, str]]:
        sealed = self.request.cookies.get(FLASH_COOKIE, "")
        opened = self.shared.sessions.open_value("flash", sealed, lasts_s=_FLASH_LASTS_S) if sealed else []
        kept = [*opened, *self.told] if isinstance(opened, list) else self.told
        return [(kind, self.words(message_id, **values)) for kind, message_id, values in kept]

    def _usual(self) -> dict[str, Any]:
        may_go = [entry for entry in self.shared.nav if self.may(entry.needs)]
        return {
            "view": self,
            "t": self.words,
            "fmt": self.formats,
            "caller": self.caller,
            "csrf": self.session.csrf,
            "nav": may_go,
            "here": self.request.url.path,
            "back": local(self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else "")),
            "languages": NAMES,
            "themes": THEMES,
        }


def local(path: str, otherwise: str = "/") -> str:
    """Return a path if it leads to a page of ours, else `otherwise`: nobody is led elsewhere by a link of ours."""
    parts = urlsplit(path)
    plain = path.isprintable() and "\\" not in path and not path.startswith("//")
    return path if path.startswith("/") and plain and not parts.scheme and not parts.netloc else otherwise
