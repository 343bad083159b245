"""What can a buyer learn, who has no sign-in? What a brand says of a seller, what to look at, and a report's outcome.

Asked in nobody's name, even by who is signed in. The service counts questions by the buyer's address, which is passed
on as the console sees it; whether it is believed is the service's own setting. Nothing here says what goods are.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

import grpc
from google.protobuf.message import Message
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.access.client_address import CLIENT
from serving.console.failures import failure_of
from serving.console.page import Page
from serving.console.pages.brand_terms import faults_of
from serving.console.view import View
from touchstone.moderation.v1.buyer_service_pb2 import (
    CheckListingRequest,
    CheckListingResponse,
    CheckSerialRequest,
    GetAdviceImageRequest,
    GetReportRequest,
    ReportRequest,
)
from touchstone.moderation.v1.listing_pb2 import Image

# What a buyer chooses, and the operator's code of it: the page itself uses no word that judges goods.
REASONS = {
    "origin": "COUNTERFEIT",
    "mark": "TRADEMARK_INFRINGEMENT",
    "photos": "COPYRIGHT_INFRINGEMENT",
    "words": "MISLEADING_LISTING",
    "other": "OTHER",
}
LOOKS = ("packaging", "price", "photos", "paying")
_PHOTOS_BYTES = 3 * 8 * 1024 * 1024 + 256 * 1024


async def show(view: View) -> Response:
    """Say what is known of a listing."""
    return await _check(view)


async def check_serial(view: View) -> Response:
    """Say how a serial number is written."""
    known = await _about(view)
    serial = str(view.form.get("serial", "")).strip()
    if not known.checks_serials or not serial:
        raise HTTPException(422)
    request = CheckSerialRequest(brand_id=known.brand_id, serial=serial, language=view.language)
    try:
        answer = await _ask(view, request)
    except grpc.aio.AioRpcError as error:
        return await _again(view, error, known)
    return await _check(view, known, serial=serial, serial_words=answer.words)


async def report(view: View) -> Response:
    """Take a report in, and lead to its receipt."""
    request = ReportRequest(
        listing_id=_listing(view),
        reason_code=REASONS.get(str(view.form.get("reason", "")), ""),
        text=str(view.form.get("text", "")).strip(),
        request_id=str(view.form.get("request_id", "")),
        language=view.language,
    )
    for photo in view.form.getlist("photos"):
        if isinstance(photo, UploadFile) and photo.filename:
            request.images.append(Image(content=await photo.read()))
    try:
        answer = await _ask(view, request)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and request.images:
            return view.fail(replace(failure_of(error), hint="failure.without_files"))
        return await _again(view, error)
    view.tell("buyers.taken")
    return view.go(f"/report/{answer.report_id}.{answer.receipt_token}")


async def outcome(view: View) -> Response:
    """Say what became of a report to whoever holds its receipt."""
    receipt = str(view.request.path_params["receipt"])
    report_id, _, token = receipt.partition(".")
    answer = await _ask(view, GetReportRequest(report_id=report_id, receipt_token=token, language=view.language))
    return view.page("buyers/report.html", report=answer, receipt=receipt)


async def picture(view: View) -> Response:
    """Show a picture of a brand's advice."""
    query = view.request.query_params
    request = GetAdviceImageRequest(brand_id=query.get("brand", ""), reference_id=query.get("reference", ""))
    answer = await _ask(view, request)
    return Response(answer.content, media_type="image/jpeg")


def picture_address(brand_id: str, reference_id: str) -> str:
    """Return the address of a picture of a brand's advice."""
    return "/advice-picture?" + urlencode({"brand": brand_id, "reference": reference_id})


async def _ask(view: View, request: Message) -> Any:
    """Ask in nobody's name, from the buyer's address."""
    client = view.request.client
    return await view.shared.upstream.ask(request, ((CLIENT, client.host),) if client is not None else ())


async def _about(view: View) -> CheckListingResponse:
    asked = CheckListingRequest(listing_id=_listing(view), language=view.language)
    answer: CheckListingResponse = await _ask(view, asked)
    return answer


async def _again(view: View, error: grpc.aio.AioRpcError, known: CheckListingResponse | None = None) -> Response:
    """Show the page with what is wrong with a form."""
    if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
        raise error
    return await _check(view, known, faults=faults_of(error))


async def _check(view: View, known: CheckListingResponse | None = None, **more: Any) -> Response:
    shown = known if known is not None else await _about(view)
    context = {"faults": [], "serial": "", "serial_words": None} | more
    listing = _listing(view)
    return view.page(
        "buyers/check.html",
        status=422 if context["faults"] else 200,
        listing=listing,
        here_to=quote(listing, safe=""),
        known=shown,
        reasons=REASONS,
        looks=LOOKS,
        typed={name: str(view.form.get(name, "")) for name in ("reason", "text")},
        request_id=uuid.uuid4().hex,
        picture_address=picture_address,
        **context,
    )


def _listing(view: View) -> str:
    return str(view.request.path_params["listing_id"])


PAGES = (
    Page(method="GET", path="/check/{listing_id:path}", answer=show, public=True),
    Page(method="POST", path="/check/{listing_id:path}", answer=check_serial, public=True),
    Page(
        method="POST",
        path="/report-listing/{listing_id:path}",
        answer=report,
        public=True,
        max_body_bytes=_PHOTOS_BYTES,
    ),
    Page(method="GET", path="/report/{receipt}", answer=outcome, public=True),
    Page(method="GET", path="/advice-picture", answer=picture, public=True, background=True),
)
