"""What does the service answer to requests that break the rules, or are none at all? Never INTERNAL or UNKNOWN."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.type.money_pb2 import Money as MoneyMessage

from index.errors import PriceDataError
from index.money import Money
from serving.rpc_services import MODERATION_SERVICE
from tests.integration.support import (
    PATIENCE_S,
    Service,
    call_raw,
    draw,
    field_violations,
    healthy,
    listing,
    violated_fields,
)
from touchstone.moderation.v1 import listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

RPCS = tuple(f"{MODERATION_SERVICE.full_name}/{method.name}" for method in MODERATION_SERVICE.methods)
# A title of two bytes that are no UTF-8, inside a listing; a cursor and ids of other rpcs are field 1, strings as well.
BAD_UTF8 = {
    "ScreenListing": b"\x0a\x04\x1a\x02\xc3\x28",
    "ScreenListings": b"\x0a\x04\x1a\x02\xc3\x28",
    "SearchImage": b"\x0a\x7f\x0a",  # has no string: cut short instead
    "GetCapabilities": b"\x0a\x7f\x0a",
    "GetCaller": b"\x0a\x7f\x0a",
}
GARBAGE = (b"\xff\xff\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x00", b"<html>", b"\x0b" * 200)


def price(*, units: int = 0, nanos: int = 0, currency: str = "USD") -> MoneyMessage:
    """Put a price together without checking it."""
    return MoneyMessage(currency_code=currency, units=units, nanos=nanos)


@pytest.mark.parametrize(
    ("offer", "fields"),
    [
        (listing_pb2.Listing(listing_id="a1"), {"listing.images"}),
        (listing(listing_id=""), {"listing.listing_id"}),
        (listing(price=price(units=-5)), {"listing.price"}),
        (listing(price=price(units=0, nanos=-1)), {"listing.price"}),
        (listing(price=price(units=5, nanos=-1)), {"listing.price"}),
        (listing(price=price(units=5, nanos=10**9)), {"listing.price"}),
        (listing(price=price(units=2**63 - 1)), {"listing.price"}),
        (listing(price=price(units=5, currency="XYZ")), {"listing.price"}),
        (listing(price=price(units=5, currency="")), {"listing.price"}),
        (listing(price=price(units=5, currency="usd")), {"listing.price"}),
        (listing(*[b"x"] * 65), {"listing.images"}),
        (listing(unit_count=-1), {"listing.unit_count"}),
        (listing(market="Germany"), {"listing.market"}),
        (
            listing(title="x" * 1001, market="??", unit_count=-1),
            {"listing.title", "listing.market", "listing.unit_count"},
        ),
    ],
)
def test_a_listing_that_breaks_rules_is_refused_with_every_field(
    service: Service, offer: listing_pb2.Listing, fields: set[str]
) -> None:
    """INVALID_ARGUMENT carries a BadRequest that names exactly the fields at fault, each with a remedy."""
    before = service.application.store.counts()

    with pytest.raises(grpc.RpcError) as refused:
        service.screen(offer)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == fields
    assert all(len(violation.description) > 10 for violation in field_violations(refused.value))
    assert service.application.store.counts() == before


def test_no_listing_at_all_is_refused(service: Service) -> None:
    """An empty request is told that the listing is missing."""
    with pytest.raises(grpc.RpcError) as refused:
        service.stub.ScreenListing(pb.ScreenListingRequest(), timeout=PATIENCE_S)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == {"listing"}


def test_an_oversized_image_is_refused_by_its_place(service: Service) -> None:
    """An image of 30 MiB is over the limit of 25: the field names which one, the description both numbers."""
    with pytest.raises(grpc.RpcError) as refused:
        service.screen(listing(draw(1), bytes(30 * 2**20)))

    (violation,) = field_violations(refused.value)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violation.field == "listing.images[1]"
    assert str(30 * 2**20) in violation.description
    assert str(25 * 2**20) in violation.description


def test_a_price_that_is_no_number_cannot_be_sent() -> None:
    """google.type.Money holds whole numbers only, so NaN cannot cross the wire; the domain refuses it too."""
    fields = MoneyMessage.DESCRIPTOR.fields_by_name

    assert fields["units"].cpp_type == FieldDescriptor.CPPTYPE_INT64
    assert fields["nanos"].cpp_type == FieldDescriptor.CPPTYPE_INT32
    for amount in ("NaN", "Infinity", "-Infinity"):
        with pytest.raises(PriceDataError):
            Money(Decimal(amount), "USD")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda stub: stub.GetDecision(pb.GetDecisionRequest()), "decision_id"),
        (lambda stub: stub.SearchImage(pb.SearchImageRequest()), "image"),
        (lambda stub: stub.RemoveListing(pb.RemoveListingRequest(listing_id="a1")), "reason"),
        (lambda stub: list(stub.WatchDecisions(pb.WatchDecisionsRequest(cursor="x"))), "cursor"),
        (
            lambda stub: list(stub.WatchDecisions(pb.WatchDecisionsRequest(cursor="9" * 18))),
            "cursor",
        ),
    ],
)
def test_every_rpc_names_the_field_at_fault(
    service: Service, call: Callable[[ModerationServiceStub], object], field: str
) -> None:
    """A missing or foreign value is INVALID_ARGUMENT and its field is named; a cursor never given is one of them."""
    with pytest.raises(grpc.RpcError) as refused:
        call(service.stub)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refused.value) == {field}


@pytest.mark.parametrize("name", RPCS)
def test_bytes_that_are_no_message_are_the_clients_fault(service: Service, name: str) -> None:
    """Bad UTF-8, truncation and noise are INVALID_ARGUMENT on every rpc, unary or streaming, and name no field."""
    for message in (BAD_UTF8.get(name.partition("/")[2], b"\x0a\x02\xc3\x28"), *GARBAGE):
        responses, error = call_raw(service, name, message)

        assert error is not None, message
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, (message, error)
        assert not responses
        assert not field_violations(error)


def test_items_before_a_malformed_one_are_answered(service: Service) -> None:
    """Noise in the middle of a stream ends it with INVALID_ARGUMENT, after the items before it were answered."""
    good = pb.ScreenListingsRequest(listing=listing()).SerializeToString()

    responses, error = call_raw(service, f"{MODERATION_SERVICE.full_name}/ScreenListings", good, good, b"\xff", good)

    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    answers = [pb.ScreenListingsResponse.FromString(response) for response in responses]
    assert sorted(answer.sequence for answer in answers) == [0, 1]
    assert all(answer.HasField("decision") for answer in answers)


@pytest.mark.parametrize(
    "name", ["grpc.health.v1.Health/Check", "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
)
def test_the_standard_services_are_as_tolerant(service: Service, name: str) -> None:
    """Noise sent to health and reflection is the client's fault as well."""
    _, error = call_raw(service, name, b"\xff\xff\xff\xff\xff")

    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_message_over_the_limit_is_too_much(service: Service) -> None:
    """More than 64 MiB in one message is RESOURCE_EXHAUSTED, and the server serves on."""
    photos = [b"\0" * (24 * 2**20)] * 3

    with pytest.raises(grpc.RpcError) as refused:
        service.screen(listing(*photos))

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert healthy(service)
