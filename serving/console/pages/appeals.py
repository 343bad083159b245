"""Who objects to a takedown, and what is owed to them? The queue of appeals, and a case's file of law.

The file shows the appeal beside the first decision, takes its answer, keeps the clock of the law's procedures and gives
the evidence out. That another person than the first decides is the service's rule; the page says so beforehand.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Any
from urllib.parse import quote

import grpc
from starlette.responses import Response

from serving.console.failures import Failure, failure_of
from serving.console.page import Nav, Page
from serving.console.view import View
from touchstone.moderation.v1 import case_pb2, decision_pb2
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import statement_service_pb2 as sv
from touchstone.moderation.v1.insight_service_pb2 import GetReviewerRequest

_PAGE_SIZE = 50
_OPEN = ("RECEIVED", "FORWARDED")
GROUNDS = ("ILLEGAL_CONTENT", "TERMS")
AUDIENCES = ("BRAND_OWNER", "PLATFORM_COUNSEL", "AUTHORITY")


async def show_all(view: View) -> Response:
    """Show which appeals wait, the nearest due time first."""
    page = view.request.query_params.get("page", "")
    appealed = pb.CaseFilter(states=[case_pb2.CASE_STATE_APPEALED])
    request = pb.ListCasesRequest(filter=appealed, order=pb.CASE_ORDER_DUE, page_size=_PAGE_SIZE, page_token=page)
    answer: pb.ListCasesResponse = await view.ask(request)
    return view.page(
        "appeals/list.html",
        cases=answer.cases,
        total=answer.total_count,
        is_first=not page,
        following=answer.next_page_token,
        may_pass_on=view.may(pb.AppealDecisionRequest),
        may_export=view.may(sv.ExportStatementsRequest),
    )


async def show(view: View) -> Response:
    """Show the file of a case."""
    return await file_of(view)


async def claim(view: View) -> Response:
    """Take the case, to answer its appeal."""
    await view.ask(pb.ClaimCaseRequest(case_id=_case_id(view)))
    return view.go(_path(view))


async def decide(view: View) -> Response:
    """Answer the appeal: keep the takedown, or lift it. The lease is renewed first, for writing takes its time."""
    if view.form.get("verdict") not in ("ALLOW", "TAKEDOWN"):
        return await file_of(view, failure=Failure(422, view.words("appeals.fault.verdict")))
    try:
        found: pb.GetCaseResponse = await view.ask(pb.GetCaseRequest(case_id=_case_id(view)))
        if found.case.state != case_pb2.CASE_STATE_APPEALED:  # it was answered meanwhile, or there is nothing to answer
            return await file_of(view, failure=Failure(409, view.words("appeals.fault.answered")))
        held: pb.ClaimCaseResponse = await view.ask(pb.ClaimCaseRequest(case_id=_case_id(view)))
        token = held.case.lease.lease_token
        await view.ask(pb.ResolveCaseRequest(case_id=_case_id(view), outcome=_outcome(view), lease_token=token))
    except grpc.aio.AioRpcError as error:
        if error.code() not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED):
            raise
        if error.code() is grpc.StatusCode.PERMISSION_DENIED:  # another person must be able to take it
            await view.ask(pb.ClaimCaseRequest(case_id=_case_id(view), action=pb.CLAIM_ACTION_RELEASE))
        return await file_of(view, failure=failure_of(error))
    view.tell("appeals.granted" if view.form.get("verdict") == "ALLOW" else "appeals.denied")
    return view.go(_path(view))


async def show_form(view: View) -> Response:
    """Show the form with which an appeal is passed on."""
    typed = {"decision": view.request.query_params.get("decision", ""), "seller": "", "statement": ""}
    return view.page("appeals/new.html", typed=typed, failure=None)


async def pass_on(view: View) -> Response:
    """Take in a seller's appeal, and show its file."""
    typed = {name: _typed(view, name) for name in ("decision", "seller", "statement")}
    request = pb.AppealDecisionRequest(
        decision_id=typed["decision"], appellant_id=typed["seller"], statement=typed["statement"]
    )
    try:
        answer: pb.AppealDecisionResponse = await view.ask(request)
    except grpc.aio.AioRpcError as error:
        if error.code() not in (
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.ABORTED,
        ):
            raise
        failure = failure_of(error)
        return view.page("appeals/new.html", status=failure.status, typed=typed, failure=failure)
    view.tell("appeals.received")
    return view.go(f"/appeals/{quote(answer.case_id, safe='')}")


async def file_of(view: View, *, failure: Failure | None = None) -> Response:
    """Draw the file of a case, with what was typed and what was wrong with it."""
    request, clock_request = pb.GetCaseRequest(case_id=_case_id(view)), sv.GetLegalClockRequest(case_id=_case_id(view))
    (answer, clock), me = await asyncio.gather(
        asyncio.gather(view.ask(request), view.ask(clock_request)), _pseudonym(view)
    )
    case = answer.case
    waiting = next((one for one in reversed(case.appeals) if _state(one) in _OPEN), None)
    first = next((one for one in reversed(case.resolutions) if not one.HasField("undo_time")), None)
    took_part = bool(me) and any(me in (one.reviewer, one.second_reviewer) for one in case.resolutions)
    return view.page(
        "appeals/show.html",
        status=failure.status if failure else 200,
        case=case,
        waiting=waiting,
        me=me,
        took_part=took_part,
        mine=bool(view.name) and case.lease.holder == view.name,
        clock=clock,
        steps=_names(sv.LegalStepKind),
        step_key=secrets.token_hex(8),
        grounds=GROUNDS,
        typed=_prefilled(view, first),
        failure=failure,
        audiences=AUDIENCES,
        may_decide=view.may(pb.ResolveCaseRequest),
        may_record=view.may(sv.RecordLegalStepRequest),
        may_export=view.may(pb.ExportEvidenceRequest),
        may_pass_on=view.may(pb.AppealDecisionRequest),
    )


async def _pseudonym(view: View) -> str:
    """Ask under which name this person's decisions stand; "" where the service knows none."""
    if not view.name or not view.may(GetReviewerRequest):
        return ""
    return str((await view.ask(GetReviewerRequest())).reviewer)


def _prefilled(view: View, first: case_pb2.Resolution | None) -> dict[str, str]:
    """Return what the forms of a file hold: what was typed, else what the decision in force said."""
    said = first.outcome if first is not None else case_pb2.Outcome()
    usual = {
        "verdict": "",
        "reason_code": said.reason_code,
        "note": "",
        "explanation": "",
        "ground": "TERMS" if said.statement.ground == case_pb2.STATEMENT_GROUND_TERMS else "ILLEGAL_CONTENT",
        "ground_reference": said.statement.ground_reference,
        "facts": said.statement.facts,
        "kind": "",
        "time": view.now.astimezone(view.formats.zone).strftime("%Y-%m-%dT%H:%M"),
        "reference": "",
        "audience": "BRAND_OWNER",
        "basis": "",
        "recipient": "",
    }
    return {name: _typed(view, name) if name in view.form else value for name, value in usual.items()}


def _outcome(view: View) -> case_pb2.Outcome:
    ground = _typed(view, "ground")
    statement = case_pb2.StatementOfReasons(
        ground=case_pb2.StatementGround.Value(f"STATEMENT_GROUND_{ground if ground in GROUNDS else 'UNSPECIFIED'}"),
        ground_reference=_typed(view, "ground_reference"),
        explanation=_typed(view, "explanation"),
        facts=_typed(view, "facts"),
    )
    return case_pb2.Outcome(
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{view.form['verdict']}"),
        reason_code=_typed(view, "reason_code"),
        note=_typed(view, "note"),
        statement=statement,
    )


def _typed(view: View, name: str) -> str:
    return str(view.form.get(name, "")).strip()


def _names(kind: Any) -> list[str]:
    """Name the values of an enum that may be chosen, without its prefix."""
    prefix = kind.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    return [value.name.removeprefix(prefix) for value in kind.DESCRIPTOR.values[1:]]


def _state(appeal: case_pb2.Appeal) -> str:
    return case_pb2.AppealState.Name(appeal.state).removeprefix("APPEAL_STATE_")


def _case_id(view: View) -> str:
    return str(view.request.path_params["case_id"])


def _path(view: View) -> str:
    return f"/appeals/{quote(_case_id(view), safe='')}"


PAGES = (
    Page(method="GET", path="/appeals", answer=show_all),
    Page(method="GET", path="/appeals/new", answer=show_form),
    Page(method="POST", path="/appeals/new", answer=pass_on),
    Page(method="GET", path="/appeals/{case_id}", answer=show),
    Page(method="POST", path="/appeals/{case_id}/claim", answer=claim),
    Page(method="POST", path="/appeals/{case_id}/decide", answer=decide),
)
NAV = Nav(group="appeals", path="/appeals", needs=pb.ListCasesRequest, key="p")
