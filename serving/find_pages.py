"""Where does the next page of listings begin? Page tokens: opaque, good only for the query of their page.

A token names the hit that its page ended with. The next page begins behind it; if it is no longer there, because its
listing was screened again, behind everything more similar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.listings import ListingMatch
from serving.errors import FieldViolation, InvalidListing
from serving.page_tokens import read_token, write_token
from touchstone.moderation.v1 import brand_service_pb2 as pb

# A page is found together with all before it, and tokens are not signed: a made-up one must not ask for everything.
MOST_SHOWN = 100_000


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
        InvalidListing: the token is not one that was given for this query, or leads too far.

    """
    if not request.page_token:
        return FindPlace()
    place = FindPlace(*read_token(_question(request), request.page_token, int, float, str))
    if place.shown > MOST_SHOWN:
        remedy = f"leads beyond {MOST_SHOWN:,} listings; narrow the search by `filter` or `min_similarity`"
        raise InvalidListing((FieldViolation("page_token", remedy),))
    return place


def to_token(request: pb.FindListingsRequest, shown: int, last: ListingMatch) -> str:
    """Write down that `shown` hits were shown, `last` being the last one."""
    return write_token(_question(request), shown, float(last.similarity), last.decision_id)


def _question(request: pb.FindListingsRequest) -> pb.FindListingsRequest:
    question = pb.FindListingsRequest()
    question.CopyFrom(request)
    question.ClearField("page_token")
    question.ClearField("page_size")
    return question
