"""Requests are held against every rule of the API, and nothing is lost between wire and domain."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from google.type.money_pb2 import Money as MoneyMessage

from index.money import Money
from serving.domain import Listing
from serving.errors import InvalidListing
from serving.status import to_status
from serving.wire.money import MAX_UNITS, NANOS_PER_UNIT
from serving.wire.requests import (
    DEFAULT_SEARCH_RESULTS,
    MAX_IMAGE_BYTES,
    from_listing,
    to_cursor,
    to_decision_id,
    to_image_query,
    to_listing,
    to_removal,
)
from touchstone.moderation.v1 import listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as api

# A gRPC peer refuses trailers from 8 KiB on; details are sent as base64, four characters for three bytes.
MAX_STATUS_BYTES = 6 * 1024


def listing(**fields: object) -> api.ScreenListingRequest:
    """Build a request that breaks no rule but what `fields` say."""
    message = listing_pb2.Listing(listing_id="a1", images=[listing_pb2.Image(content=b"jpeg")])
    for name, value in fields.items():
        message.ClearField(name)  # type: ignore[arg-type]
        message.MergeFrom(listing_pb2.Listing(**{name: value}))  # type: ignore[arg-type]
    return api.ScreenListingRequest(listing=message)


def price(units: int = 0, nanos: int = 0, currency: str = "EUR") -> MoneyMessage:
    """Build a price."""
    return MoneyMessage(units=units, nanos=nanos, currency_code=currency)


def images(*contents: bytes) -> list[listing_pb2.Image]:
    """Build images."""
    return [listing_pb2.Image(content=content) for content in contents]


def violations(request: api.ScreenListingRequest | api.ScreenListingsRequest) -> dict[str, str]:
    """Translate a request that must be refused; return what is wrong by field."""
    with pytest.raises(InvalidListing) as refusal:
        to_listing(request)
    return {violation.field: violation.description for violation in refusal.value.violations}


# --- listings ---------------------------------------------------------------------------------------------------------


def test_a_whole_listing_arrives_unchanged() -> None:
    """Every field of a listing reaches the domain."""
    request = listing(
        images=images(b"one", b"two"),
        title="Täsche",
        description="neu\nmit Etikett",
        claimed_brand="Nike",
        category="shoes > sports-shoes",
        condition="new",
        price=price(49, 900_000_000),
        unit_count=2,
        seller_id="s9",
        market="DE",
    )

    translated = to_listing(request)

    assert translated == Listing(
        listing_id="a1",
        images=(b"one", b"two"),
        title="Täsche",
        description="neu\nmit Etikett",
        claimed_brand="Nike",
        category="shoes > sports-shoes",
        condition="new",
        price=Money(Decimal("49.9"), "EUR"),
        unit_count=2,
        seller_id="s9",
        market="DE",
    )
    assert from_listing(translated) == request.listing


def test_what_is_left_out_is_unknown() -> None:
    """A listing of an image alone has no price, and is one piece."""
    translated = to_listing(listing())

    assert translated.price is None
    assert translated.unit_count == 1


def test_a_price_of_nothing_is_a_price() -> None:
    """What is given away has a price of 0, which is not the same as an unknown one."""
    assert to_listing(listing(price=price())).price == Money(Decimal(0), "EUR")


def test_an_empty_image_is_answered_by_itself() -> None:
    """An image without bytes is not the request's fault: the decision names it."""
    assert to_listing(listing(images=images(b"", b"jpeg"))).images == (b"", b"jpeg")


def test_the_largest_listing_that_is_allowed() -> None:
    """64 images, and an image of exactly 25 MiB, are allowed."""
    to_listing(listing(images=images(*[b"x"] * 64)))
    to_listing(listing(images=images(bytes(MAX_IMAGE_BYTES))))


@pytest.mark.parametrize(
    ("field", "value", "where", "words"),
    [
        ("listing_id", "", "listing.listing_id", ("1 to 256",)),
        ("listing_id", "x" * 257, "listing.listing_id", ("257", "256")),
        ("listing_id", "a\x07b", "listing.listing_id", ("a\\x07b", "control")),
        ("listing_id", " a", "listing.listing_id", ("' a'", "space")),
        ("images", [], "listing.images", ("1 to 64",)),
        ("images", images(*[b"x"] * 65), "listing.images", ("65", "64")),
        (
            "images",
            images(b"x", b"x", b"x", bytes(MAX_IMAGE_BYTES + 1)),
            "listing.images[3]",
            (str(MAX_IMAGE_BYTES + 1), str(MAX_IMAGE_BYTES)),
        ),
        ("title", "x" * 1_001, "listing.title", ("1001", "1000")),
        ("title", "a\0b", "listing.title", ("NUL", "position 1")),
        ("description", "x" * 50_001, "listing.description", ("50001", "50000")),
        ("claimed_brand", "x" * 201, "listing.claimed_brand", ("201", "200")),
        ("category", "x" * 501, "listing.category", ("501", "500")),
        ("condition", "x" * 201, "listing.condition", ("201", "200")),
        ("price", price(5, currency="EURO"), "listing.price", ("'EURO'", "ISO 4217")),
        ("price", price(5, currency=""), "listing.price", ("''", "ISO 4217")),
        ("price", price(5, currency="XXX"), "listing.price", ("'XXX'", "ISO 4217")),
        ("price", price(-5), "listing.price", ("-5", "negative")),
        ("price", price(0, -1), "listing.price", ("negative",)),
        ("price", price(1, -1), "listing.price", ("differ in sign",)),
        ("price", price(-1, 1), "listing.price", ("differ in sign",)),
        ("price", price(0, NANOS_PER_UNIT), "listing.price", ("1000000000", "999999999")),
        ("price", price(MAX_UNITS), "listing.price", ("not plausible", str(MAX_UNITS))),
        ("unit_count", -1, "listing.unit_count", ("-1", "1 to 1000000")),
        ("unit_count", 1_000_001, "listing.unit_count", ("1000001", "1000000")),
        ("seller_id", "x" * 257, "listing.seller_id", ("257", "256")),
        ("seller_id", "s\n9", "listing.seller_id", ("control",)),
        ("market", "de", "listing.market", ("'de'", "capitals")),
        ("market", "ZZ", "listing.market", ("'ZZ'", "ISO 3166-1")),
        ("market", "DEU", "listing.market", ("'DEU'", "ISO 3166-1")),
    ],
)
def test_each_rule(field: str, value: object, where: str, words: tuple[str, ...]) -> None:
    """A field that breaks a rule is named, with its value, the limit and the remedy, and no other field is."""
    found = violations(listing(**{field: value}))

    assert list(found) == [where]
    assert all(word in found[where] for word in words), found[where]


def test_a_request_without_a_listing() -> None:
    """An empty request is refused as one without a listing."""
    assert list(violations(api.ScreenListingRequest())) == ["listing"]
    assert list(violations(api.ScreenListingsRequest())) == ["listing"]


@pytest.mark.parametrize("request_id", ["x" * 129, "naïve", "tab\tbed"])
def test_an_unusable_request_id(request_id: str) -> None:
    """An idempotency key that cannot be kept is refused, whatever the listing is."""
    request = listing()
    request.request_id = request_id

    assert list(violations(request)) == ["request_id"]


def test_all_faults_at_once() -> None:
    """A request that breaks many rules learns of all of them, and the answer still fits into gRPC's trailers."""
    request = listing(
        listing_id="\x07" * 300,
        images=images(*[b"x"] * 65, bytes(MAX_IMAGE_BYTES + 1)),
        title="\0" * 2_000,
        description="\0" * 60_000,
        claimed_brand="\0" * 300,
        category="\0" * 600,
        condition="\0" * 300,
        price=price(-1, NANOS_PER_UNIT, "?" * 50_000),
        unit_count=-1,
        seller_id="\x07" * 300,
        market="?" * 50_000,
    )
    request.request_id = "ä" * 50_000

    with pytest.raises(InvalidListing) as refusal:
        to_listing(request)

    fields = {violation.field for violation in refusal.value.violations}
    assert fields == {
        "request_id",
        "listing.listing_id",
        "listing.images",
        "listing.images[65]",
        *(f"listing.{name}" for name in ("title", "description", "claimed_brand", "category", "condition")),
        *(f"listing.{name}" for name in ("price", "unit_count", "seller_id", "market")),
    }
    assert to_status(refusal.value).ByteSize() < MAX_STATUS_BYTES


# --- the other requests -----------------------------------------------------------------------------------------------


def test_a_search_has_a_default_size() -> None:
    """A search that names no number of results gets the default."""
    query = to_image_query(api.SearchImageRequest(image=listing_pb2.Image(content=b"jpeg")))

    assert (query.image, query.max_results) == (b"jpeg", DEFAULT_SEARCH_RESULTS)


@pytest.mark.parametrize(
    ("translate", "request_message", "fields"),
    [
        (to_image_query, api.SearchImageRequest(max_results=101), ["max_results", "image"]),
        (
            to_image_query,
            api.SearchImageRequest(max_results=-1, image=listing_pb2.Image(content=bytes(MAX_IMAGE_BYTES + 1))),
            ["max_results", "image"],
        ),
        (to_removal, api.RemoveListingRequest(note="x" * 1_001), ["listing_id", "note", "reason"]),
        (to_removal, api.RemoveListingRequest(listing_id="a1", reason=99), ["reason"]),  # type: ignore[arg-type]
        (to_decision_id, api.GetDecisionRequest(), ["decision_id"]),
        (to_cursor, api.WatchDecisionsRequest(cursor="-1"), ["cursor"]),
        (to_cursor, api.WatchDecisionsRequest(cursor="²"), ["cursor"]),
        (to_cursor, api.WatchDecisionsRequest(cursor="9" * 19), ["cursor"]),
    ],
)
def test_other_requests_are_refused_alike(
    translate: Callable[[object], object], request_message: object, fields: list[str]
) -> None:
    """Every other request names its faulty fields too."""
    with pytest.raises(InvalidListing) as refusal:
        translate(request_message)

    assert [violation.field for violation in refusal.value.violations] == fields


def test_a_removal() -> None:
    """A removal carries its reason without the enum's prefix."""
    removal = to_removal(
        api.RemoveListingRequest(listing_id="a1", reason=api.REMOVAL_REASON_COUNTERFEIT, note="court order")
    )

    assert (removal.listing_id, removal.reason, removal.note) == ("a1", "COUNTERFEIT", "court order")


def test_cursors() -> None:
    """No cursor is the beginning; one that the service gave is where to go on."""
    assert to_cursor(api.WatchDecisionsRequest()) is None
    assert to_cursor(api.WatchDecisionsRequest(cursor="42")) == 42
