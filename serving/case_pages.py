"""Where does the next page of cases begin? A place in the queue as a page token, and back."""

from __future__ import annotations

from datetime import datetime

from index.case_records import CaseOrder, Place
from serving.page_tokens import read_token, write_token
from touchstone.moderation.v1 import case_service_pb2 as pb


def to_token(place: Place | None, request: pb.ListCasesRequest) -> str:
    """Write down where the next page begins; "" when there is none."""
    if place is None:
        return ""
    key = place.key if isinstance(place.key, datetime) else float(place.key)
    return write_token(_question(request), key, place.case_id)


def to_place(request: pb.ListCasesRequest, order: CaseOrder) -> Place | None:
    """Read where a page begins; None is the beginning.

    Raises:
        InvalidListing: the token is not one that was given for this filter and order.

    """
    if not request.page_token:
        return None
    kind = float if order is CaseOrder.EXPECTED_HARM else datetime
    key, case_id = read_token(_question(request), request.page_token, kind, str)
    return Place(key, case_id)


def _question(request: pb.ListCasesRequest) -> pb.ListCasesRequest:
    return pb.ListCasesRequest(filter=request.filter, order=request.order)
