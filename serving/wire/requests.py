"""Is this request one that the API allows, and what does it ask for? Protobuf requests to domain values.

The first step behind the servicer. Every rule that a request breaks is collected before `InvalidListing` is raised, so
that a client corrects all of them at once. Images are only counted and measured here: what is wrong inside one is
answered per image, by `vision.decode`. Decisions go back through `serving.wire.decision`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serving.domain import Listing
from serving.errors import FieldViolation, InvalidListing
from serving.scan.blocks import ScanItem
from serving.wire.money import from_money, price_faults, to_money
from serving.wire.rules import check_id, check_images, check_market, check_range, check_request_id, check_text
from touchstone.moderation.v1 import listing_pb2, moderation_service_pb2

ScreenRequest = moderation_service_pb2.ScreenListingRequest | moderation_service_pb2.ScreenListingsRequest

MAX_IMAGES = 64
MAX_IMAGE_BYTES = 25 * 2**20
MAX_MESSAGE_BYTES = 64 * 2**20
MAX_UNIT_COUNT = 1_000_000
MAX_SEARCH_RESULTS = 100
DEFAULT_SEARCH_RESULTS = 10
MAX_NOTE_CHARACTERS = 1_000

# Characters. Marketplaces allow titles of 80 to 500 and descriptions of up to 50,000.
_TEXT_LIMITS = {"title": 1_000, "description": 50_000, "claimed_brand": 200, "category": 500, "condition": 200}
# Cursors are the store's 64-bit row numbers.
_MAX_CURSOR_DIGITS = 18


@dataclass(frozen=True)
class ImageQuery:
    """One encoded image, and how many matches to return at most."""

    image: bytes
    max_results: int


@dataclass(frozen=True)
class Removal:
    """The marketplace removed a listing. `reason` is the enum's name without prefix, such as `COUNTERFEIT`."""

    listing_id: str
    reason: str
    note: str


def to_listing(request: ScreenRequest) -> Listing:
    """Translate what is to be screened. Raises InvalidListing with every rule that listing and `request_id` break."""
    message = request.listing
    _refuse([*check_request_id("request_id", request.request_id), *_listing_violations(request)])
    return Listing(
        listing_id=message.listing_id,
        images=tuple(image.content for image in message.images),
        title=message.title,
        description=message.description,
        claimed_brand=message.claimed_brand,
        category=message.category,
        condition=message.condition,
        price=to_money(message.price) if message.HasField("price") else None,
        unit_count=message.unit_count or 1,
        seller_id=message.seller_id,
        market=message.market,
    )


def from_listing(listing: Listing) -> listing_pb2.Listing:
    """Translate a listing to the wire, unchecked: `to_listing` checks on the other side, for every caller alike."""
    return listing_pb2.Listing(
        listing_id=listing.listing_id,
        images=[listing_pb2.Image(content=image) for image in listing.images],
        title=listing.title,
        description=listing.description,
        claimed_brand=listing.claimed_brand,
        category=listing.category,
        condition=listing.condition,
        price=None if listing.price is None else from_money(listing.price),
        unit_count=listing.unit_count,
        seller_id=listing.seller_id,
        market=listing.market,
    )


def to_image_query(request: moderation_service_pb2.SearchImageRequest) -> ImageQuery:
    """Translate a search by image. Raises InvalidListing with every rule that it breaks."""
    violations = list(
        check_range("max_results", request.max_results, low=1, high=MAX_SEARCH_RESULTS, default=DEFAULT_SEARCH_RESULTS)
    )
    size = len(request.image.content)
    if not request.HasField("image"):
        violations.append(FieldViolation("image", "is missing; send one image"))
    if size > MAX_IMAGE_BYTES:
        violations.append(FieldViolation("image", f"has {size} bytes; send at most {MAX_IMAGE_BYTES}"))
    _refuse(violations)
    return ImageQuery(request.image.content, request.max_results or DEFAULT_SEARCH_RESULTS)


def to_removal(request: moderation_service_pb2.RemoveListingRequest) -> Removal:
    """Translate the removal of a listing. Raises InvalidListing with every rule that it breaks."""
    reasons = moderation_service_pb2.RemovalReason
    known = [name for name, number in reasons.items() if number]
    violations = [
        *check_id("listing_id", request.listing_id, required=True),
        *check_text("note", request.note, limit=MAX_NOTE_CHARACTERS),
    ]
    if request.reason not in [reasons.Value(name) for name in known]:
        violations.append(FieldViolation("reason", f"is {request.reason}; send one of {', '.join(known)}"))
    _refuse(violations)
    name = reasons.Name(request.reason)
    return Removal(request.listing_id, name.removeprefix("REMOVAL_REASON_"), request.note)


def to_decision_id(request: moderation_service_pb2.GetDecisionRequest) -> str:
    """Translate the question for one decision. Raises InvalidListing without an identifier."""
    _refuse(check_id("decision_id", request.decision_id, required=True))
    return request.decision_id


def to_cursor(request: moderation_service_pb2.WatchDecisionsRequest) -> int | None:
    """Translate where to resume; None is the oldest event that is kept. Raises InvalidListing for a foreign cursor."""
    cursor = request.cursor
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MAX_CURSOR_DIGITS):
        remedy = "is not a cursor of this service; send one from a response, or none to start with the oldest event"
        raise InvalidListing((FieldViolation("cursor", remedy),))
    return int(cursor) if cursor else None


def _listing_violations(request: ScreenRequest) -> Iterator[FieldViolation]:
    if not request.HasField("listing"):
        yield FieldViolation("listing", "is missing; send a listing with at least one image")
        return
    listing = request.listing
    # Never all of them: a message has room for 32 million empty images.
    sizes = [len(image.content) for image in listing.images[: 2 * MAX_IMAGES]]
    yield from word_violations(listing, prefix="listing.")
    yield from check_images(
        "listing.images", sizes, count=len(listing.images), limit=MAX_IMAGES, max_bytes=MAX_IMAGE_BYTES
    )
    if listing.HasField("price"):
        yield from (FieldViolation("listing.price", fault) for fault in price_faults(listing.price))


def word_violations(listing: listing_pb2.Listing | ScanItem, *, prefix: str = "") -> Iterator[FieldViolation]:
    """Find what is wrong with a listing besides its images and its price, in a request or in a row of a manifest."""
    yield from check_id(f"{prefix}listing_id", listing.listing_id, required=True)
    for name, limit in _TEXT_LIMITS.items():
        yield from check_text(f"{prefix}{name}", getattr(listing, name), limit=limit)
    yield from check_range(f"{prefix}unit_count", listing.unit_count, low=1, high=MAX_UNIT_COUNT, default=1)
    yield from check_id(f"{prefix}seller_id", listing.seller_id, required=False)
    yield from check_market(f"{prefix}market", listing.market)


def _refuse(violations: Iterable[FieldViolation]) -> None:
    if found := tuple(violations):
        raise InvalidListing(found)
