"""What does the law ask to be told and kept? Steps of procedures, statements of reasons, evidence, the public register.

Files of any size are passed on piece by piece as the service gives them; the first piece is asked for before the answer
begins, so that a refusal is still a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.responses import Response, StreamingResponse

from serving.console.days import DaySpan
from serving.console.failures import Failure, failure_of
from serving.console.page import Page
from serving.console.pages.appeals import file_of
from serving.console.view import View
from serving.console.words import LANGUAGES
from touchstone.moderation.v1 import case_service_pb2 as pb
from touchstone.moderation.v1 import statement_service_pb2 as sv

_PIECE_BYTES = 2 * 1024 * 1024
_PIECE_S = 120.0
_REFUSED = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.ABORTED)


async def show_clock(view: View) -> Response:
    """Show which times run in a case, as a part of its page."""
    clock: sv.GetLegalClockResponse = await view.ask(sv.GetLegalClockRequest(case_id=_case_id(view)))
    return view.page("case/clock.html", clock=clock)


async def record(view: View) -> Response:
    """Record a step that was taken outside the service."""
    form, time = view.form, Timestamp()
    try:
        said = datetime.fromisoformat(str(form.get("time", "")))
        time.FromDatetime(said if said.tzinfo else said.replace(tzinfo=view.formats.zone))
    except (ValueError, OverflowError):
        return await file_of(view, failure=Failure(422, view.words("appeals.fault.time")))
    request = sv.RecordLegalStepRequest(
        case_id=_case_id(view),
        kind=_value(sv.LegalStepKind, str(form.get("kind", ""))),
        time=time,
        reference=str(form.get("reference", "")).strip(),
        request_id=str(form.get("key", "")),
    )
    try:
        await view.ask(request)
    except grpc.aio.AioRpcError as error:
        if error.code() not in _REFUSED:
            raise
        return await file_of(view, failure=failure_of(error))
    view.tell("appeals.recorded")
    return view.go(f"/appeals/{quote(_case_id(view), safe='')}")


async def show_statement(view: View) -> Response:
    """Show what the seller is told of a case's takedown, to be read and printed."""
    asked = view.request.query_params.get("language", "")
    language = asked if asked in LANGUAGES else view.language
    request = sv.GetStatementRequest(case_id=_case_id(view), language=language)
    answer: sv.GetStatementResponse = await view.ask(request)
    return view.page("appeals/statement.html", case_id=_case_id(view), told=answer.statement, language=language)


async def export(view: View) -> Response:
    """Give an evidence package out. It is made, and its recipient recorded, by this very call: hence a POST."""
    request = pb.ExportEvidenceRequest(
        case_id=_case_id(view),
        audience=_value(pb.EvidenceAudience, str(view.form.get("audience", ""))),
        disclosure_basis=str(view.form.get("basis", "")).strip(),
        recipient=str(view.form.get("recipient", "")).strip(),
        max_bytes=_PIECE_BYTES,
    )
    try:
        first: pb.ExportEvidenceResponse = await view.ask(request, timeout_s=_PIECE_S)
    except grpc.aio.AioRpcError as error:
        if error.code() not in _REFUSED:
            raise
        return await file_of(view, failure=failure_of(error))
    headers = {
        "content-disposition": f'attachment; filename="evidence-{_safe(first.package_id)}.zip"',
        "content-length": str(first.package_size_bytes),
        "x-package-sha256": first.package_sha256,
    }
    return StreamingResponse(_pieces(view, first), headers=headers, media_type="application/zip")


async def show_register(view: View) -> Response:
    """Show the form for the register's export."""
    span = DaySpan.of(view.request.query_params, view.formats.zone, view.now)
    return view.page("appeals/register.html", span=span)


async def export_register(view: View) -> Response:
    """Give the statements of a time out, as the register takes them."""
    span = DaySpan.of(view.request.query_params, view.formats.zone, view.now)
    first: sv.ExportStatementsResponse = await view.ask(sv.ExportStatementsRequest(**span.limits), timeout_s=_PIECE_S)
    name = f"statements-{span.first.isoformat()}-{span.last.isoformat()}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_statements(view, first, span), headers=headers, media_type="application/json")


async def _pieces(view: View, piece: pb.ExportEvidenceResponse) -> AsyncIterator[bytes]:
    package_id = piece.package_id
    yield piece.content
    while piece.next_offset_bytes:
        request = pb.ExportEvidenceRequest(
            case_id=_case_id(view),
            package_id=package_id,
            offset_bytes=piece.next_offset_bytes,
            max_bytes=_PIECE_BYTES,
        )
        piece = await view.ask(request, timeout_s=_PIECE_S)
        yield piece.content


async def _statements(view: View, page: sv.ExportStatementsResponse, span: DaySpan) -> AsyncIterator[bytes]:
    """Write all pages as one object, statement by statement."""
    comma = b'{"statements": [\n'
    while True:
        for statement in json.loads(page.content)["statements"]:
            yield comma + json.dumps(statement, ensure_ascii=False).encode()
            comma = b",\n"
        if not page.next_page_token:
            break
        request = sv.ExportStatementsRequest(**span.limits, page_token=page.next_page_token)
        page = await view.ask(request, timeout_s=_PIECE_S)
    yield b"\n]}\n" if comma == b",\n" else b'{"statements": []}\n'


def _value(kind: Any, name: str) -> Any:
    """Return an enum's value by its name without the prefix; the unspecified one for what is none."""
    prefix = kind.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    found = kind.DESCRIPTOR.values_by_name.get(prefix + name)
    return found.number if found is not None else 0


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "", name)


def _case_id(view: View) -> str:
    return str(view.request.path_params["case_id"])


PAGES = (
    Page(method="GET", path="/cases/{case_id}/clock", answer=show_clock, background=True, lazy=True),
    Page(method="POST", path="/appeals/{case_id}/steps", answer=record),
    Page(method="GET", path="/appeals/{case_id}/statement", answer=show_statement),
    Page(method="POST", path="/appeals/{case_id}/evidence", answer=export),
    Page(method="GET", path="/register", answer=show_register),
    Page(method="GET", path="/register/statements.json", answer=export_register),
)
