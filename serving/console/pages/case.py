"""What is this case about, and who holds it? One case and its lease: taken, kept while the page is open, let go."""

from __future__ import annotations

from starlette.responses import Response

from serving.console.page import Page
from serving.console.view import View
from touchstone.moderation.v1.case_service_pb2 import (
    CLAIM_ACTION_RELEASE,
    ClaimCaseRequest,
    ClaimCaseResponse,
    GetCaseRequest,
    GetCaseResponse,
)


async def show(view: View) -> Response:
    """Show a case."""
    answer: GetCaseResponse = await view.ask(GetCaseRequest(case_id=_case_id(view)))
    return view.page("case/show.html", case=answer.case, may_claim=view.may(ClaimCaseRequest))


async def claim(view: View) -> Response:
    """Take the case."""
    await view.ask(ClaimCaseRequest(case_id=_case_id(view)))
    return view.go(f"/cases/{_case_id(view)}")


async def renew(view: View) -> Response:
    """Keep the case for as long again; the page asks this by itself, and takes nothing that was let go meanwhile."""
    answer: GetCaseResponse | ClaimCaseResponse = await view.ask(GetCaseRequest(case_id=_case_id(view)))
    if view.name and answer.case.lease.holder == view.name:
        answer = await view.ask(ClaimCaseRequest(case_id=_case_id(view)))
    return view.page("case/lease.html", case=answer.case, may_claim=view.may(ClaimCaseRequest))


async def release(view: View) -> Response:
    """Let the case go."""
    await view.ask(ClaimCaseRequest(case_id=_case_id(view), action=CLAIM_ACTION_RELEASE))
    view.tell("case.released")
    return view.go("/queue")


def _case_id(view: View) -> str:
    return str(view.request.path_params["case_id"])


PAGES = (
    Page(method="GET", path="/cases/{case_id}", answer=show),
    Page(method="POST", path="/cases/{case_id}/claim", answer=claim),
    Page(method="POST", path="/cases/{case_id}/renew", answer=renew, background=True),
    Page(method="POST", path="/cases/{case_id}/release", answer=release),
)
