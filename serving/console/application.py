"""How is the console put together? From the service's channel and the settings to an ASGI application."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from serving.console.drawing import ASSETS, Drawing
from serving.console.failures import Failure
from serving.console.guard import Guard
from serving.console.page import Endpoint, Nav, Page
from serving.console.pages import GROUPS
from serving.console.proxies import BehindProxy
from serving.console.sessions import Sessions
from serving.console.upstream import Upstream
from serving.console.view import Shared, View
from serving.console.words import load_words
from serving.telemetry.telemetry import UNOBSERVED, Telemetry


def make_console(
    channel: grpc.aio.Channel,
    *,
    sessions: Sessions | None = None,
    proxy: str = "never",
    hosts: Collection[str] | None = None,
    telemetry: Telemetry = UNOBSERVED,
) -> ASGIApp:
    """Make the console of the service at the other end of a channel.

    `proxy` says from where the headers of a proxy that signs people in are believed; `hosts` are the names by which the
    console is reached besides this machine's own, None for any. What goes on is told to `telemetry`.
    """
    shared = Shared(
        upstream=Upstream(channel, telemetry),
        sessions=sessions or Sessions(),
        drawing=Drawing(),
        words=load_words(),
        nav=nav(),
        telemetry=telemetry,
    )

    async def elsewhere(request: Request, error: Exception) -> Response:
        """Answer what no page does: a path or a method that there is not."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        return View(request=request, shared=shared, session=shared.sessions.begin()).fail(Failure(status))

    routes = [Route(page.path, Endpoint(page, shared), methods=[page.method]) for page in pages()]
    static = Mount("/static", StaticFiles(directory=ASSETS))
    app = Starlette(routes=[*routes, static], exception_handlers={HTTPException: elsewhere})
    app.router.redirect_slashes = False
    return BehindProxy(Guard(app, hosts=hosts), trust=proxy)


def pages() -> list[Page]:
    """Give every page of every group."""
    return [page for group in GROUPS for page in import_module(f"serving.console.pages.{group}").PAGES]


def nav() -> tuple[Nav, ...]:
    """Give the ways to the groups that have one."""
    found = (getattr(import_module(f"serving.console.pages.{group}"), "NAV", None) for group in GROUPS)
    return tuple(entry for entry in found if entry is not None)
