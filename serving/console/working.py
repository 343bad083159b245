"""How does one get from case to case? The queue's filter, the cases passed over, and the decision that can be undone.

The filter stands in the address of each case, as it does in the queue's. What was passed over and decided last stands
in sealed cookies of this session: nothing is kept here, and another tab or replica goes on with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import grpc
from starlette.responses import Response

from serving.console.drawing import enum_name
from serving.console.pages.queue import Wanted
from serving.console.view import View
from touchstone.moderation.v1 import case_pb2
from touchstone.moderation.v1.case_service_pb2 import (
    CLAIM_ACTION_RELEASE,
    ClaimCaseRequest,
    ClaimCaseResponse,
    ResolveCaseResponse,
)

_PASSED_COOKIE, _DONE_COOKIE = "touchstone-passed", "touchstone-done"
_LASTS_S = 60 * 60
# Ids of 32 digits: what fits a cookie.
_MOST_PASSED = 40


@dataclass(frozen=True)
class Done:
    """The last decision of this session, which can be undone."""

    resolution_id: str
    case_id: str
    listing_id: str
    verdict: str

    @classmethod
    def of(cls, answer: ResolveCaseResponse) -> Done:
        """Read what was decided."""
        decision = answer.case.decision
        verdict = enum_name(answer.resolution.outcome, "verdict")
        return cls(answer.resolution.resolution_id, answer.case.case_id, decision.listing_id, verdict)


def passed_over(view: View) -> list[str]:
    """Name the cases that were skipped, the latest last."""
    found = _opened(view, "passed", _PASSED_COOKIE)
    return [str(case_id) for case_id in found] if isinstance(found, list) else []


def pass_over(view: View, response: Response, case_ids: Sequence[str]) -> None:
    """Remember which cases were skipped."""
    _keep(view, response, "passed", _PASSED_COOKIE, list(case_ids)[-_MOST_PASSED:])


def last_done(view: View) -> Done | None:
    """Return the last decision, if it was made in the last hour."""
    found = _opened(view, "done", _DONE_COOKIE)
    return Done(*found) if isinstance(found, list) and found else None


def remember(view: View, response: Response, done: Done | None) -> None:
    """Remember the last decision; None forgets it."""
    _keep(view, response, "done", _DONE_COOKIE, list(astuple(done)) if done else [])


async def claim_next(view: View, wanted: Wanted, passed: Sequence[str]) -> case_pb2.Case | None:
    """Take the first case of the filter that was not passed over; None when there is none."""
    fitting = wanted.filter(view.formats.zone)
    fitting.except_case_ids.extend(passed)
    try:
        answer: ClaimCaseResponse = await view.ask(ClaimCaseRequest(next=fitting))
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return None
        raise
    return answer.case


async def release(view: View, case_id: str) -> None:
    """Let a case go; one that is held no more, or by somebody else, is let go already."""
    try:
        await view.ask(ClaimCaseRequest(case_id=case_id, action=CLAIM_ACTION_RELEASE))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.ABORTED:
            raise


def _opened(view: View, kind: str, cookie: str) -> object:
    sealed = view.request.cookies.get(cookie, "")
    opened = view.shared.sessions.open_value(kind, sealed, lasts_s=_LASTS_S) if sealed else None
    match opened:
        case [str(session_id), value] if session_id == view.session.session_id:
            return value
    return None


def _keep(view: View, response: Response, kind: str, cookie: str, value: object) -> None:
    sealed = view.shared.sessions.seal_value(kind, [view.session.session_id, value])
    view.set_cookie(response, cookie, sealed, max_age=_LASTS_S)
