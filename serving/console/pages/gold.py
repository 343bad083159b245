"""Is the right answer of this case sure? Leads mark resolved cases as gold and take marks away, on the case's page."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.page import Page
from serving.console.pages.queue import Wanted
from serving.console.view import View
from touchstone.moderation.v1.case_service_pb2 import MarkGoldCaseRequest, UnmarkGoldCaseRequest


async def mark(view: View) -> Response:
    """Mark the case as gold, or replace the note."""
    note = view.form.get("note", "")
    written = note.replace("\r\n", "\n") if isinstance(note, str) else ""
    await view.ask(MarkGoldCaseRequest(case_id=_case_id(view), note=written))
    view.tell("gold.done")
    return _back(view)


async def unmark(view: View) -> Response:
    """Take the mark away."""
    await view.ask(UnmarkGoldCaseRequest(case_id=_case_id(view)))
    view.tell("gold.undone", kind="note")
    return _back(view)


def _back(view: View) -> Response:
    return view.go(Wanted.of(view.request.query_params).case_address(_case_id(view)))


def _case_id(view: View) -> str:
    return str(view.request.path_params["case_id"])


PAGES = (
    Page(method="POST", path="/cases/{case_id}/gold", answer=mark),
    Page(method="POST", path="/cases/{case_id}/ungold", answer=unmark),
)
