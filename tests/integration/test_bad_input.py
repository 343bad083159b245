"""What does the service answer to requests that break the rules, or are none at all? Never INTERNAL or UNKNOWN."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.type.money_pb2 import Money as MoneyMessage
from grpc_health.v1 import health_pb2, health_pb2_grpc

from index.errors import PriceDataError
from index.money import Money
from serving.server import MODERATION_SERVICE
from tests.integration.support import (
    AURORA_SHOE,
    PATIENCE_S,
    Service,
    call_raw,
    codes,
    draw,
    field_violations,
    listing,
    violated_fields,
)
from touchstone.moderation.v1 import decision_pb2, listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

RPCS = tuple(f"{MODERATION_SERVICE.full_name}/{method.name}" for method in MODERATION_SERVICE.methods)
# A title of two bytes that are no UTF-8, inside a listing; a cursor and ids of other rpcs are field 1, strings as well.
BAD_UTF8 = {
    "ScreenListing": b"\x0a\x04\x1a\x02\xc3\x28",
    "ScreenListings": b"\x0a\x04\x1a\x02\xc3\x28",
    "SearchImage": b"\x0a\x7f\x0a",  # has no string: cut short instead
    "GetCapabilities": b"\x0a\x7f\x0a",
}
GARBAGE = (b"\xff\xff\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x00", b"<html>", b"\x0b" * 200)
# What a client may be told of its own request, whatever it sends.
HONEST = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


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
    assert _healthy(service)


def test_noise_never_finds_a_defect(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    """Hundreds of random and mutated requests give decisions or honest refusals; no stage fails, no error is logged."""
    chance = random.Random(20_261_122)  # fixed, so that what fails once fails again
    seeds = _well_formed()

    decided = 0

    for _ in range(80):
        for method, example in seeds.items():
            noise = _mutated(example, chance) if chance.random() < 0.5 else _invented(example, chance)
            for response in _answers(service, method, noise):
                assert "STAGE_FAILED" not in codes(response), noise
                decided += bool(response.decision_id)

    assert decided >= 20
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert _healthy(service)


def _well_formed() -> dict[str, Message]:
    """Give one good request for each rpc that takes one and ends by itself; the photos are small, for speed."""
    offer = listing(
        draw(AURORA_SHOE, edge=96),
        title="Aurora running shoe, 1:1 replica",
        description="Neu, nie getragen. 全新 " * 3,
        claimed_brand="Aurora",
        category="shoes > sports-shoes",
        condition="new",
        price=price(units=95),
        unit_count=2,
        seller_id="someone",
        market="DE",
    )
    return {
        "ScreenListing": pb.ScreenListingRequest(listing=offer),
        "ScreenListings": pb.ScreenListingsRequest(listing=offer),
        "SearchImage": pb.SearchImageRequest(image=offer.images[0], max_results=3),
        "GetDecision": pb.GetDecisionRequest(decision_id="0" * 32),
        "RemoveListing": pb.RemoveListingRequest(listing_id="nobody's", reason=pb.REMOVAL_REASON_COUNTERFEIT),
        "GetCapabilities": pb.GetCapabilitiesRequest(),
    }


def _answers(service: Service, method: str, message: bytes) -> Iterator[decision_pb2.Decision]:
    """Send a message; check the status of call and item, and yield the decisions that came."""
    responses, error = call_raw(service, f"{MODERATION_SERVICE.full_name}/{method}", message)
    assert error is None or error.code() in HONEST, (method, message, error)
    for response in responses:
        if method == "ScreenListing":
            yield pb.ScreenListingResponse.FromString(response).decision
        if method == "ScreenListings":
            item = pb.ScreenListingsResponse.FromString(response)
            assert item.error.code in {0, *(code.value[0] for code in HONEST)}, (message, item.error)
            yield item.decision


def _mutated(example: Message, chance: random.Random) -> bytes:
    """Flip, cut, repeat or insert bytes."""
    data = bytearray(example.SerializeToString())
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if place < len(data):
                data[place] ^= 1 << chance.randrange(8)
            case 1:
                del data[place : place + chance.randint(1, 40)]
            case 2:
                data[place:place] = data[:place][-chance.randint(1, 40) :]
            case _:
                data[place:place] = chance.randbytes(chance.randint(1, 8))
    return bytes(data)


def _invented(example: Message, chance: random.Random) -> bytes:
    """Replace some fields, at any depth, by extreme values of their type."""
    message = type(example).FromString(example.SerializeToString())
    _disturb(message, chance)
    return message.SerializeToString()


def _disturb(message: Message, chance: random.Random) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            inner = getattr(message, field.name)
            for each in inner if field.is_repeated else [inner]:
                _disturb(each, chance)
        elif chance.random() < 0.1:
            values = _BYTES if field.type == FieldDescriptor.TYPE_BYTES else _EXTREMES[field.cpp_type]
            setattr(message, field.name, chance.choice(values))


_EXTREMES: dict[int, list[object]] = {
    FieldDescriptor.CPPTYPE_INT32: [0, 1, -1, 2**31 - 1, -(2**31), 10**9 - 1],
    FieldDescriptor.CPPTYPE_INT64: [0, 1, -1, 2**63 - 1, -(2**63), 10**12 - 1],
    FieldDescriptor.CPPTYPE_BOOL: [True, False],
    FieldDescriptor.CPPTYPE_ENUM: [0, 1, 99, -1],
    FieldDescriptor.CPPTYPE_STRING: [
        "",
        " ",
        "\0",
        "a\x1fb",
        "Ω" * 900,
        "𝟙:𝟙 ｒｅｐｌｉｃａ",
        "\u202egnitset\u202c",
        "ß" * 60_000,
        "🥿" * 40,
        "%s{}\\'\"; --",
        "e\u0301" * 200,
        "USD",
        "JPY",
    ],
    FieldDescriptor.CPPTYPE_DOUBLE: [0.0, float("nan"), float("inf")],
}
# Of bytes fields as of strings: protobuf gives both the same C++ type.
_BYTES: list[object] = [b"", b"\0", b"\xff\xd8\xff", b"GIF89a", b"RIFF\0\0\0\0WEBP"]


def _healthy(service: Service) -> bool:
    health = health_pb2_grpc.HealthStub(service.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING) and bool(service.screen(listing()).decision)
