"""Who may sell a brand's goods, and what do they cost? Two lists, each a form of lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import Message
from starlette.responses import Response

from serving.console.brand_lines import LineError, read_bands, read_sellers, write_bands, write_sellers
from serving.console.failures import failure_of
from serving.console.page import Page
from serving.console.pages.portal import brand_of, brand_path
from serving.console.view import View
from touchstone.moderation.v1.brand_pb2 import AuthorizedSellerList
from touchstone.moderation.v1.brand_service_pb2 import (
    GetBrandRequest,
    SetAuthorizedSellersRequest,
    SetPriceBandsRequest,
)

_LINES_BYTES = 4 * 1024 * 1024


async def show(view: View) -> Response:
    """Show both lists."""
    return await _forms(view)


async def set_sellers(view: View) -> Response:
    """Replace the sellers, or keep no list any more."""

    def request() -> SetAuthorizedSellersRequest:
        sellers = read_sellers(_text(view, "sellers"))
        # A forgotten tick must not lose what was typed; without sellers the tick tells nobody from no list.
        listed = AuthorizedSellerList(sellers=sellers) if sellers or view.form.get("keeps") else None
        return SetAuthorizedSellersRequest(brand_id=brand_of(view), authorized_sellers=listed, etag=_text(view, "etag"))

    return await _set(view, request)


async def set_bands(view: View) -> Response:
    """Replace the price bands."""

    def request() -> SetPriceBandsRequest:
        bands = read_bands(_text(view, "bands"))
        return SetPriceBandsRequest(brand_id=brand_of(view), price_bands=bands, etag=_text(view, "etag"))

    return await _set(view, request)


async def _set(view: View, request: Callable[[], Message]) -> Response:
    """Send what was typed; what cannot be read or is refused is shown again with what is wrong."""
    try:
        await view.ask(request())
    except LineError as error:
        return await _forms(view, faults=[view.words("portal.fault.line", number=error.number)])
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return await _forms(view, faults=faults_of(error))
    view.tell("portal.saved")
    return view.go(brand_path(brand_of(view), "/terms"))


def faults_of(error: grpc.aio.AioRpcError) -> list[str]:
    """List what the service says is wrong with a form, field by field."""
    failure = failure_of(error)
    return [f"{path}: {what}" for path, what in failure.fields.items()] or [failure.message]


async def _forms(view: View, faults: list[str] | None = None) -> Response:
    brand: Any = (await view.ask(GetBrandRequest(brand_id=brand_of(view)))).brand
    keeps = bool(view.form.get("keeps")) if "sellers" in view.form else brand.HasField("authorized_sellers")
    sellers, bands = write_sellers(brand.authorized_sellers.sellers), write_bands(brand.price_bands)
    return view.page(
        "portal/terms.html",
        status=422 if faults else 200,
        brand=brand,
        keeps=keeps,
        sellers=_text(view, "sellers", sellers),
        bands=_text(view, "bands", bands),
        of_bands="bands" in view.form,
        faults=faults or [],
        may_edit=view.may(SetPriceBandsRequest),
    )


def _text(view: View, name: str, otherwise: str = "") -> str:
    return str(view.form.get(name, otherwise))


PAGES = (
    Page(method="GET", path="/brands/{brand_id}/terms", answer=show),
    Page(method="POST", path="/brands/{brand_id}/sellers", answer=set_sellers, max_body_bytes=_LINES_BYTES),
    Page(method="POST", path="/brands/{brand_id}/bands", answer=set_bands, max_body_bytes=_LINES_BYTES),
)
