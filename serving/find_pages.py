"""Where does the next page of listings begin? Page tokens: opaque, good only for the query of their page.

A token names the hit that its page ended with. The next page begins behind it; if it is no longer there, because its
listing was screened again, behind everything more similar.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from index.listings import ListingMatch
from serving.errors import FieldViolation, InvalidListing
from touchstone.moderation.v1 import brand_service_pb2 as pb

_MAX_TOKEN_CHARACTERS = 1_000
_MOST_SHOWN = 10**9


@dataclass(frozen=True)
class FindPlace:
    """A place among the hits: how many were shown up to it, and the one that stands there."""

    shown: int = 0
    similarity: float = 2.0
    decision_id: str = ""

    def after(self, found: Sequence[ListingMatch]) -> Sequence[ListingMatch]:
        """Return the hits behind this place."""
        if self.shown == 0:
            return found
        for position, match in enumerate(found):
            if match.decision_id == self.decision_id:
                return found[position + 1 :]
        return [match for match in found if match.similarity < self.similarity]


def to_place(request: pb.FindListingsRequest) -> FindPlace:
    """Read where a page begins.

    Raises:
        InvalidListing: the token is not one that was given for this query.

    """
    token = request.page_token
    if not token:
        return FindPlace()
    try:
        if len(token) > _MAX_TOKEN_CHARACTERS:
            raise ValueError
        document = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        binding, shown, similarity, decision_id = document
        if binding != _binding(request) or not isinstance(decision_id, str):
            raise ValueError
        if not (isinstance(shown, int) and 0 < shown < _MOST_SHOWN):
            raise ValueError
        return FindPlace(shown, float(similarity), decision_id)
    except (ValueError, TypeError, binascii.Error, UnicodeDecodeError, RecursionError) as error:
        remedy = "is not a token that this rpc gave for the same query; start again without one"
        raise InvalidListing((FieldViolation("page_token", remedy),)) from error


def to_token(request: pb.FindListingsRequest, shown: int, last: ListingMatch) -> str:
    """Write down that `shown` hits were shown, `last` being the last one."""
    document = json.dumps([_binding(request), shown, last.similarity, last.decision_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).decode()


def _binding(request: pb.FindListingsRequest) -> str:
    bound = pb.FindListingsRequest()
    bound.CopyFrom(request)
    bound.ClearField("page_token")
    bound.ClearField("page_size")
    return hashlib.sha256(bound.SerializeToString(deterministic=True)).hexdigest()[:16]
