"""How does one work here? A page that never changes."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.page import Page
from serving.console.view import View


async def show(view: View) -> Response:
    """Show it."""
    return view.page("help/show.html")


PAGES = (Page(method="GET", path="/help", answer=show, public=True),)
