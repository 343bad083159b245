"""Which listings are looked for? FindListings' request to domain values, and its hits to the wire.

As in `serving.wire.requests`, every rule that a request breaks is collected before `InvalidListing` is raised.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from index.listings import ListingMatch, ListingWhere
from serving.errors import FieldViolation, InvalidListing
from serving.wire.decision import from_box
from serving.wire.requests import MAX_IMAGE_BYTES
from serving.wire.rules import (
    check_box,
    check_id,
    check_market,
    check_one_of,
    check_range,
    check_text,
    check_time,
    to_box,
    to_time,
)
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1 import catalogue_pb2, decision_pb2
from vision.regions import Box

MAX_PAGE, DEFAULT_PAGE = 1_000, 100
_MAX_FILTER_VALUES = 1_000
_MAX_PATH = 10
_MAX_NAME_CHARACTERS = 200
_VERDICTS = [number for number in decision_pb2.Verdict.values() if number]
_REPEATED = ("brand_ids", "seller_ids", "verdicts", "markets")


@dataclass(frozen=True, kw_only=True)
class FindQuery:
    """What to look for, a reference's id or an encoded image, where, and how many hits a page has at most."""

    reference_id: str
    image: bytes
    box: Box | None
    at_least: float | None
    where: ListingWhere
    limit: int


def to_find_query(request: pb.FindListingsRequest) -> FindQuery:
    """Translate a search for listings. Raises InvalidListing with every rule that it breaks."""
    if violations := tuple(_violations(request)):
        raise InvalidListing(violations)
    return FindQuery(
        reference_id=request.reference_id,
        image=request.image.content,
        box=to_box(request.box) if request.HasField("box") and request.HasField("image") else None,
        at_least=request.min_similarity if request.HasField("min_similarity") else None,
        where=to_where(request.filter),
        limit=request.page_size or DEFAULT_PAGE,
    )


def to_where(message: catalogue_pb2.ListingFilter) -> ListingWhere:
    """Translate a filter that was checked."""
    names = (decision_pb2.Verdict.Name(verdict) for verdict in message.verdicts)
    return ListingWhere(
        brand_ids=tuple(message.brand_ids),
        seller_ids=tuple(message.seller_ids),
        category_path=tuple(message.category_path),
        verdicts=tuple(name.removeprefix("VERDICT_") for name in names),
        markets=tuple(message.markets),
        screened_from=to_time(message.screened_from) if message.HasField("screened_from") else None,
        screened_before=to_time(message.screened_before) if message.HasField("screened_before") else None,
    )


def from_match(match: ListingMatch, *, names_seller: bool) -> catalogue_pb2.ListingHit:
    """Translate a hit; the seller is named to those who may know."""
    hit = catalogue_pb2.ListingHit(
        listing_id=match.listing_id,
        decision_id=match.decision_id,
        verdict=decision_pb2.Verdict.Value(f"VERDICT_{match.verdict}"),
        image_index=match.image_index,
        box=from_box(match.box),
        similarity=match.similarity,
        seller_id=match.seller_id if names_seller else "",
    )
    hit.screen_time.FromDatetime(match.screen_time)
    return hit


def filter_violations(field: str, message: catalogue_pb2.ListingFilter) -> Iterator[FieldViolation]:
    """Check a filter."""
    for name in _REPEATED:
        if (count := len(getattr(message, name))) > _MAX_FILTER_VALUES:
            yield FieldViolation(f"{field}.{name}", f"has {count} values; send at most {_MAX_FILTER_VALUES}")
            return
    for name in ("brand_ids", "seller_ids"):
        for index, value in enumerate(getattr(message, name)):
            yield from check_id(f"{field}.{name}[{index}]", value, required=True)
    for index, verdict in enumerate(message.verdicts):
        yield from check_one_of(f"{field}.verdicts[{index}]", verdict, _VERDICTS, decision_pb2.Verdict.Name)
    for index, market in enumerate(message.markets):
        yield from check_market(f"{field}.markets[{index}]", market)
    if (count := len(message.category_path)) > _MAX_PATH:
        yield FieldViolation(f"{field}.category_path", f"has {count} names; send at most {_MAX_PATH}")
    for index, name in enumerate(message.category_path[:_MAX_PATH]):
        yield from check_text(f"{field}.category_path[{index}]", name, limit=_MAX_NAME_CHARACTERS)
    for name in ("screened_from", "screened_before"):
        yield from check_time(f"{field}.{name}", getattr(message, name))


def _violations(request: pb.FindListingsRequest) -> Iterator[FieldViolation]:
    query = request.WhichOneof("query")
    if query is None:
        yield FieldViolation("query", "is missing; send a reference_id or an image")
    if query == "reference_id":
        yield from check_id("reference_id", request.reference_id, required=True)
    if (size := len(request.image.content)) > MAX_IMAGE_BYTES:
        yield FieldViolation("image", f"has {size} bytes; send at most {MAX_IMAGE_BYTES}")
    if query == "image" and request.HasField("box"):
        yield from check_box("box", request.box)
    if request.HasField("min_similarity"):
        least = request.min_similarity
        if not (math.isfinite(least) and -1.0 <= least <= 1.0):
            yield FieldViolation("min_similarity", f"{least} is out of range; send -1 to 1, or nothing")
    yield from filter_violations("filter", request.filter)
    yield from check_range("page_size", request.page_size, low=1, high=MAX_PAGE, default=DEFAULT_PAGE)
