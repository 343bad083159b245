"""Who sells this, and with whom? A seller's record: what was decided month by month, and the ring that it is in.

The page of a case loads it after itself, as a part; without scripts it is a page of its own.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import grpc
from starlette.responses import Response

from serving.console.page import Page
from serving.console.seller_record import months_of, ring_plot
from serving.console.view import View
from touchstone.moderation.v1.insight_service_pb2 import GetSellerRequest, GetSellerResponse

# Of the decisions that come, those that are shown unfolded.
_FIRST = 5


def seller_address(seller_id: str, *, part: bool = False) -> str:
    """Return the address of a seller's record, or of it as a part of another page."""
    return f"/sellers{'/part' if part else ''}?{urlencode({'id': seller_id})}"


async def show(view: View) -> Response:
    """Show a seller's record as a page."""
    return view.page("sellers/show.html", **await _record(view))


async def show_part(view: View) -> Response:
    """Show it as a part; of a seller that nobody has on record, nothing."""
    try:
        return view.page("sellers/part.html", **await _record(view))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return Response()


async def _record(view: View) -> dict[str, Any]:
    seller_id = view.request.query_params.get("id", "")
    answer: GetSellerResponse = await view.ask(GetSellerRequest(seller_id=seller_id))
    return {
        "seller": answer,
        "months": months_of(answer.months),
        "ring": ring_plot(answer.ring, seller_id) if answer.HasField("ring") else None,
        "first": answer.decisions[:_FIRST],
        "rest": answer.decisions[_FIRST:],
        "seller_address": seller_address,
    }


PAGES = (
    Page(method="GET", path="/sellers", answer=show),
    Page(method="GET", path="/sellers/part", answer=show_part, background=True, lazy=True),
)
