"""By what rights does a brand act? Its right records: seen, added, changed when the register renews them.

No record is taken out: decisions and statements name rights, and one that is given up says so by its status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import grpc
from starlette.exceptions import HTTPException
from starlette.responses import Response

from serving.console.failures import failure_of
from serving.console.page import Page
from serving.console.pages.portal import brand_of, brand_path
from serving.console.right_records import (
    FIELDS,
    STATUSES,
    TYPES,
    faults_by_field,
    fields_of,
    standing_rights,
    write,
)
from serving.console.view import View
from touchstone.moderation.v1.brand_pb2 import Brand, RightRecord
from touchstone.moderation.v1.brand_service_pb2 import GetBrandRequest, UpdateBrandRequest


async def show(view: View) -> Response:
    """Show a brand's rights."""
    brand = await _brand(view)
    return view.page(
        "portal/rights.html",
        brand=brand,
        rights=standing_rights(brand, view.formats.today),
        form=lambda right_id="", **more: f"{_path(view, '/form')}?{urlencode({'right': right_id} | more)}",
        may_edit=view.may(UpdateBrandRequest),
    )


async def show_form(view: View) -> Response:
    """Show the form of a right, or of a new one; with `renew` ready for its new last day."""
    query = view.request.query_params
    brand, right_id, renews = await _brand(view), query.get("right", ""), "renew" in query
    right = brand.rights[_index(brand, right_id)] if right_id else RightRecord()
    typed = fields_of(right) | ({"status": "REGISTERED"} if renews or not right_id else {})
    return _form(view, brand, typed, right_id=right_id, renews=renews, etag=brand.etag)


async def save(view: View) -> Response:
    """Put a right on record: a new one, or one of the brand's as it is now."""
    typed = {name: str(view.form.get(name, "")).strip() for name in FIELDS}
    right_id, etag = (str(view.form.get(name, "")) for name in ("right_id", "etag"))
    brand = await _brand(view)
    changed = Brand(brand_id=brand.brand_id, etag=etag, rights=brand.rights)
    index = _index(brand, right_id) if right_id else len(brand.rights)
    right = changed.rights[index] if right_id else changed.rights.add()
    if unread := write(typed, right):
        return _form(view, brand, typed, right_id=right_id, etag=etag, faults=unreadable(view, unread))
    request = UpdateBrandRequest(brand=changed)
    request.update_mask.paths.append("rights")
    try:
        await view.ask(request)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        failure = failure_of(error)
        own, others = faults_by_field(failure.fields, index)
        return _form(
            view,
            brand,
            typed,
            right_id=right_id,
            etag=etag,
            faults=own,
            others=others or ([] if own else [failure.message]),
        )
    view.tell("portal.saved")
    return view.go(_path(view))


def unreadable(view: View, names: Sequence[str]) -> dict[str, str]:
    """Say of fields that cannot be read what they take."""
    words = {"nice_classes": view.words("rights.fault.classes")}
    return {name: words.get(name, view.words("rights.fault.day")) for name in names}


def _form(
    view: View,
    brand: Brand,
    typed: Mapping[str, str],
    *,
    right_id: str,
    etag: str,
    renews: bool = False,
    faults: Mapping[str, str] | None = None,
    others: Sequence[str] = (),
) -> Response:
    return view.page(
        "portal/right.html",
        status=422 if faults or others else 200,
        brand=brand,
        typed=typed,
        right_id=right_id,
        etag=etag,
        renews=renews,
        faults=faults or {},
        others=others,
        types=TYPES,
        statuses=STATUSES,
    )


async def _brand(view: View) -> Any:
    return (await view.ask(GetBrandRequest(brand_id=brand_of(view)))).brand


def _index(brand: Brand, right_id: str) -> int:
    for index, right in enumerate(brand.rights):
        if right.right_id == right_id:
            return index
    raise HTTPException(404)


def _path(view: View, part: str = "") -> str:
    return brand_path(brand_of(view), f"/rights{part}")


PAGES = (
    Page(method="GET", path="/brands/{brand_id}/rights", answer=show),
    Page(method="POST", path="/brands/{brand_id}/rights", answer=save),
    Page(method="GET", path="/brands/{brand_id}/rights/form", answer=show_form),
)
