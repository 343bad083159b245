"""What is there for me? The first page: the groups of pages that the person's roles open."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from serving.console.page import Page
from serving.console.pages.queue import held_by, waiting
from serving.console.view import View
from touchstone.moderation.v1.case_service_pb2 import ListCasesRequest


async def show(view: View) -> Response:
    """Show where to go, and what the person has in hand."""
    if not view.may(ListCasesRequest):
        return view.page("home/show.html", waiting=None, held=[])
    count, held = await asyncio.gather(waiting(view), held_by(view))
    return view.page("home/show.html", waiting=count, held=held)


PAGES = (Page(method="GET", path="/", answer=show),)
