"""What becomes of this listing? One case: looked at, held, decided, passed over, and a decision undone.

After a decision the next case of the same filter is taken and shown at once. What the service refuses is told on the
page of the case, which is read anew: who has it now, or what is missing.
"""

from __future__ import annotations

import grpc
from starlette.responses import Response

from serving.console import working
from serving.console.case_page import case_page, holds, viewer_part
from serving.console.failures import failure_of
from serving.console.page import Page
from serving.console.pages.queue import Wanted
from serving.console.view import View
from serving.console.working import Done, claim_next, last_done, pass_over, passed_over, remember
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1.case_service_pb2 import (
    ClaimCaseRequest,
    ClaimCaseResponse,
    GetCaseRequest,
    GetCaseResponse,
    ResolveCaseRequest,
    ResolveCaseResponse,
    UndoResolutionRequest,
)

# What is told on the page of the case itself.
_TOLD_HERE = (
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.PERMISSION_DENIED,
)
_STATEMENT_FIELDS = ("ground_reference", "explanation", "facts")


async def show(view: View) -> Response:
    """Show a case."""
    return await case_page(view, _case_id(view), _wanted(view), dialog=view.request.query_params.get("open", ""))


async def look(view: View) -> Response:
    """Show another photo, or another finding in it."""
    return await viewer_part(view, _case_id(view), _wanted(view))


async def claim(view: View) -> Response:
    """Take the case."""
    await view.ask(ClaimCaseRequest(case_id=_case_id(view)))
    return view.go(_wanted(view).case_address(_case_id(view)))


async def renew(view: View) -> Response:
    """Keep the case for as long again; the page asks this by itself, and takes nothing that was let go meanwhile.

    A renewal is a change of the case. The page learns of its etag, unless it had missed another change before.
    """
    case_id, known = _case_id(view), _field(view, "etag")
    answer: GetCaseResponse | ClaimCaseResponse = await view.ask(GetCaseRequest(case_id=case_id))
    changed = known not in ("", answer.case.etag)
    if holds(view, answer.case):
        answer = await view.ask(ClaimCaseRequest(case_id=case_id))
    if changed:
        answer.case.etag = known
    return view.page(
        "case/lease_renewed.html",
        case=answer.case,
        is_mine=holds(view, answer.case),
        changed=changed,
        may_claim=view.may(ClaimCaseRequest),
        address=lambda step="": _wanted(view).case_address(case_id, step),
    )


async def release(view: View) -> Response:
    """Let the case go."""
    await working.release(view, _case_id(view))
    view.tell("case.released")
    return view.go(_wanted(view).address())


async def resolve(view: View) -> Response:
    """Decide, and go on with the next case."""
    request = ResolveCaseRequest(
        case_id=_case_id(view),
        outcome=_outcome(view),
        lease_token=_field(view, "lease_token"),
        etag=_field(view, "etag"),
        request_id=_field(view, "request_id"),
    )
    try:
        answer: ResolveCaseResponse = await view.ask(request)
    except grpc.aio.AioRpcError as error:
        wrong = error.code() is grpc.StatusCode.INVALID_ARGUMENT
        return await _refused(view, error, dialog="takedown" if wrong else "")
    done = Done.of(answer)
    waits = answer.case.state == case_pb2.CASE_STATE_AWAITING_SECOND_REVIEW
    view.tell("case.done.SECOND" if waits else f"case.done.{done.verdict}", listing=done.listing_id)
    return await _go_on(view, done=done)


async def skip(view: View) -> Response:
    """Leave the case to others, and go on with the next one."""
    passed = [*passed_over(view), _case_id(view)]
    response = await _go_on(view, passed=passed)
    await working.release(view, _case_id(view))
    return response


async def undo(view: View) -> Response:
    """Take a decision back, and open its case again."""
    request = UndoResolutionRequest(resolution_id=_field(view, "resolution_id"), reason=_field(view, "reason"))
    try:
        await view.ask(request)
    except grpc.aio.AioRpcError as error:
        return await _refused(view, error)
    view.tell("case.undone")
    await _claim_if_free(view, _case_id(view))
    response = view.go(_wanted(view).case_address(_case_id(view)))
    last = last_done(view)
    if last is not None and last.resolution_id == request.resolution_id:
        remember(view, response, None)
    return response


async def _go_on(view: View, *, done: Done | None = None, passed: list[str] | None = None) -> Response:
    """Take the next case of the filter and show it, or the queue when nothing is left of it."""
    wanted, skipped = _wanted(view), passed if passed is not None else passed_over(view)
    case = await claim_next(view, wanted, skipped)
    if case is None:
        view.tell("queue.nothing_to_take", kind="note")
        response = view.go(wanted.address())
        pass_over(view, response, [])  # what was skipped may come again
    elif view.by_htmx:
        response = await case_page(view, case.case_id, wanted, done=done)
        pass_over(view, response, skipped)
    else:
        response = view.go(wanted.case_address(case.case_id))
        pass_over(view, response, skipped)
    if done is not None:
        remember(view, response, done)
    return response


async def _refused(view: View, error: grpc.aio.AioRpcError, *, dialog: str = "") -> Response:
    """Show the case as it is now, with what the service said."""
    if error.code() not in _TOLD_HERE:
        raise error
    return await case_page(view, _case_id(view), _wanted(view), failure=failure_of(error), dialog=dialog)


async def _claim_if_free(view: View, case_id: str) -> None:
    try:
        await view.ask(ClaimCaseRequest(case_id=case_id))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ABORTED:
            raise


def _outcome(view: View) -> case_pb2.Outcome:
    """Read what is decided; what was not sent is left out, and the service says whether it is needed."""
    verdicts = dict(decision_pb2.Verdict.items())
    outcome = case_pb2.Outcome(
        verdict=verdicts.get(f"VERDICT_{_field(view, 'verdict')}", decision_pb2.VERDICT_UNSPECIFIED),
        reason_code=_field(view, "reason_code"),
        note=_field(view, "note"),
    )
    if _field(view, "with_statement"):
        grounds = dict(case_pb2.StatementGround.items())
        outcome.statement.ground = grounds.get(
            f"STATEMENT_GROUND_{_field(view, 'ground')}", case_pb2.STATEMENT_GROUND_UNSPECIFIED
        )
        for name in _STATEMENT_FIELDS:
            setattr(outcome.statement, name, _field(view, name))
    return outcome


def _field(view: View, name: str) -> str:
    value = view.form.get(name, "")
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def _wanted(view: View) -> Wanted:
    return Wanted.of(view.request.query_params)


def _case_id(view: View) -> str:
    return str(view.request.path_params["case_id"])


PAGES = (
    Page(method="GET", path="/cases/{case_id}", answer=show),
    Page(method="GET", path="/cases/{case_id}/photos", answer=look),
    Page(method="POST", path="/cases/{case_id}/claim", answer=claim),
    Page(method="POST", path="/cases/{case_id}/renew", answer=renew, background=True),
    Page(method="POST", path="/cases/{case_id}/release", answer=release),
    Page(method="POST", path="/cases/{case_id}/resolve", answer=resolve),
    Page(method="POST", path="/cases/{case_id}/skip", answer=skip),
    Page(method="POST", path="/cases/{case_id}/undo", answer=undo),
)
