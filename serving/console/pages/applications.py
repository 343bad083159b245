"""How does somebody come to own a brand here? They apply with a right in it, and a lead decides."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

import grpc
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.console.failures import failure_of
from serving.console.page import Page
from serving.console.pages.rights import unreadable
from serving.console.right_records import FIELDS, STATUSES, TYPES, faults_by_field, parts, write
from serving.console.view import View
from touchstone.moderation.v1.brand_pb2 import RIGHT_TYPE_WORD_MARK, Brand, RightRecord
from touchstone.moderation.v1.brand_portal_service_pb2 import (
    ApplicationState,
    ApplyForBrandRequest,
    DecideApplicationRequest,
)

DECISIONS = ("APPROVED", "DECLINED")
_OWN_FIELDS = ("name", "aliases", "note", "request_id")


async def show(view: View) -> Response:
    """Show the form."""
    return _form(view)


async def apply(view: View) -> Response:
    """Apply for a brand with one right; further ones are added once it is there."""
    typed = _typed(view)
    right = RightRecord()
    unread = write(typed, right)
    if right.type == RIGHT_TYPE_WORD_MARK and not right.mark_text:
        right.mark_text = typed["name"]
    if unread:
        return _form(view, unreadable(view, unread))
    brand = Brand(name=typed["name"], aliases=parts(typed["aliases"]), rights=[right])
    try:
        await view.ask(ApplyForBrandRequest(brand=brand, note=typed["note"], request_id=typed["request_id"]))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        failure = failure_of(error)
        own, others = faults_by_field(failure.fields, 0)
        return _form(view, own, others or ([] if own else [failure.message]))
    view.tell("portal.applied", name=typed["name"])
    return view.go("/brands")


async def decide(view: View) -> Response:
    """Approve an application, or decline it."""
    decision = str(view.form.get("decision", ""))
    if decision not in DECISIONS:
        raise HTTPException(422)
    request = DecideApplicationRequest(
        application_id=str(view.request.path_params["application_id"]),
        decision=ApplicationState.Value(f"APPLICATION_STATE_{decision}"),
        reason=str(view.form.get("reason", "")).strip(),
        brand_id=str(view.form.get("brand_id", "")).strip(),
    )
    await view.ask(request)
    view.tell("portal.decided")
    return view.go("/brands")


def _form(view: View, faults: Mapping[str, str] | None = None, others: Sequence[str] = ()) -> Response:
    return view.page(
        "portal/apply.html",
        status=422 if faults or others else 200,
        typed=_typed(view) | {"request_id": uuid.uuid4().hex},
        types=TYPES,
        statuses=STATUSES,
        faults=faults or {},
        others=others,
    )


def _typed(view: View) -> dict[str, str]:
    usual = {"status": "REGISTERED"} if view.request.method == "GET" else {}
    return {name: str(view.form.get(name, usual.get(name, ""))).strip() for name in (*_OWN_FIELDS, *FIELDS)}


PAGES = (
    Page(method="GET", path="/apply", answer=show),
    Page(method="POST", path="/apply", answer=apply),
    Page(method="POST", path="/applications/{application_id}", answer=decide),
)
