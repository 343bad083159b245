"""How does somebody come to own a brand here? They apply with a right in it, and a lead decides."""

from __future__ import annotations

import re
import uuid

import grpc
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.console.page import Page
from serving.console.pages.brand_terms import faults_of
from serving.console.view import View
from touchstone.moderation.v1.brand_pb2 import RIGHT_TYPE_UNSPECIFIED, Brand, RightRecord, RightType
from touchstone.moderation.v1.brand_portal_service_pb2 import (
    ApplicationState,
    ApplyForBrandRequest,
    DecideApplicationRequest,
)

TYPES = ("WORD_MARK", "FIGURATIVE_MARK", "DESIGN", "COPYRIGHT")
DECISIONS = ("APPROVED", "DECLINED")
_FIELDS = ("name", "aliases", "type", "owner", "office", "number", "territories", "classes", "note", "request_id")
_CLASS = re.compile("[0-9]{1,2}")


async def show(view: View) -> Response:
    """Show the form."""
    return _form(view)


async def apply(view: View) -> Response:
    """Apply for a brand with one right; further ones are added once it is there."""
    typed = _typed(view)
    try:
        await view.ask(_request(typed))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return _form(view, faults=faults_of(error))
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


def _form(view: View, faults: list[str] | None = None) -> Response:
    return view.page(
        "portal/apply.html",
        status=422 if faults else 200,
        typed=_typed(view) | {"request_id": uuid.uuid4().hex},
        types=TYPES,
        faults=faults or [],
    )


def _typed(view: View) -> dict[str, str]:
    return {name: str(view.form.get(name, "")).strip() for name in _FIELDS}


def _request(typed: dict[str, str]) -> ApplyForBrandRequest:
    right = RightRecord(
        type=RightType.Value(f"RIGHT_TYPE_{typed['type']}") if typed["type"] in TYPES else RIGHT_TYPE_UNSPECIFIED,
        mark_text=typed["name"] if typed["type"] == "WORD_MARK" else "",
        office_code=typed["office"],
        registration_number=typed["number"],
        owner_name=typed["owner"],
        territories=_parts(typed["territories"]),
        nice_classes=[int(part) for part in _parts(typed["classes"]) if _CLASS.fullmatch(part)],
    )
    brand = Brand(name=typed["name"], aliases=_parts(typed["aliases"]), rights=[right])
    return ApplyForBrandRequest(brand=brand, note=typed["note"], request_id=typed["request_id"])


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


PAGES = (
    Page(method="GET", path="/apply", answer=show),
    Page(method="POST", path="/apply", answer=apply),
    Page(method="POST", path="/applications/{application_id}", answer=decide),
)
