"""Where does the next page of cases begin? Page tokens, good only for the filter and order of their page."""

from __future__ import annotations

from typing import Any

from index.case_records import CaseOrder, Place
from serving.page_tokens import read_time, seal, unseal
from touchstone.moderation.v1 import case_service_pb2 as pb


def to_token(place: Place | None, request: pb.ListCasesRequest) -> str:
    """Write down where the next page begins; "" when there is none."""
    return "" if place is None else seal(place.key, place.case_id, _bound(request))


def to_place(request: pb.ListCasesRequest, order: CaseOrder) -> Place | None:
    """Read where a page begins; None is the beginning.

    Raises:
        InvalidListing: the token is not one that was given for this filter and order.

    """

    def read(key: Any, case_id: str) -> Place:
        return Place(float(key) if order is CaseOrder.EXPECTED_HARM else read_time(key), case_id)

    return unseal(request.page_token, _bound(request), read)


def _bound(request: pb.ListCasesRequest) -> pb.ListCasesRequest:
    return pb.ListCasesRequest(filter=request.filter, order=request.order)
