"""Where does the next page of cases begin? A place in the queue as a page token, and back."""

from __future__ import annotations

from datetime import datetime

from index.case_records import CaseOrder, Place
from serving.page_tokens import foreign_token, read_token, write_token
from touchstone.moderation.v1 import case_service_pb2 as pb


def to_token(place: Place | None, request: pb.ListCasesRequest) -> str:
    """Write down where the next page begins; "" when there is none."""
    if place is None:
        return ""
    key = place.key.isoformat() if isinstance(place.key, datetime) else float(place.key)
    return write_token(_question(request), key, place.case_id)


def to_place(request: pb.ListCasesRequest, order: CaseOrder) -> Place | None:
    """Read where a page begins; None is the beginning.

    Raises:
        InvalidListing: the token is not one that was given for this filter and order.

    """
    if not request.page_token:
        return None
    if order is CaseOrder.EXPECTED_HARM:
        harm, case_id = read_token(_question(request), request.page_token, float, str)
        return Place(harm, case_id)
    written, case_id = read_token(_question(request), request.page_token, str, str)
    try:
        time = datetime.fromisoformat(written)
    except ValueError as error:
        raise foreign_token() from error
    if time.tzinfo is None:
        raise foreign_token()
    return Place(time, case_id)


def _question(request: pb.ListCasesRequest) -> pb.ListCasesRequest:
    return pb.ListCasesRequest(filter=request.filter, order=request.order)
