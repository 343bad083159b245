"""Where does the next page of cases begin? Page tokens: opaque, good only for the filter and order of their page."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from datetime import datetime

from index.case_records import CaseOrder, Place
from serving.errors import FieldViolation, InvalidListing
from touchstone.moderation.v1 import case_service_pb2 as pb

_MAX_TOKEN_CHARACTERS = 1_000


def to_token(place: Place | None, request: pb.ListCasesRequest) -> str:
    """Write down where the next page begins; "" when there is none."""
    if place is None:
        return ""
    key = place.key.isoformat() if isinstance(place.key, datetime) else place.key
    document = json.dumps([_binding(request), key, place.case_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def to_place(request: pb.ListCasesRequest, order: CaseOrder) -> Place | None:
    """Read where a page begins; None is the beginning.

    Raises:
        InvalidListing: the token is not one that was given for this filter and order.

    """
    token = request.page_token
    if not token:
        return None
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError
        binding, key, case_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if binding != _binding(request) or not isinstance(case_id, str):
            raise ValueError
        if order is CaseOrder.EXPECTED_HARM:
            return Place(float(key), case_id)
        time = datetime.fromisoformat(key)
        if time.tzinfo is None:
            raise ValueError
        return Place(time, case_id)
    except (ValueError, TypeError, binascii.Error, UnicodeDecodeError, RecursionError) as error:
        remedy = "is not a token that this rpc gave for the same filter and order; start again without one"
        raise InvalidListing((FieldViolation("page_token", remedy),)) from error


def _binding(request: pb.ListCasesRequest) -> str:
    bound = pb.ListCasesRequest(filter=request.filter, order=request.order)
    return hashlib.sha256(bound.SerializeToString(deterministic=True)).hexdigest()[:16]
