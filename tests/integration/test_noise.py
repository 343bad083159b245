"""Does any request find a defect? Hundreds of mutated and invented ones, the same on every run."""

from __future__ import annotations

import random
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.type.money_pb2 import Money as MoneyMessage

from serving.rpc_services import MODERATION_SERVICE
from tests.integration.support import (
    AURORA_SHOE,
    Service,
    call_raw,
    codes,
    draw,
    healthy,
    listing,
)
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

# What a client may be told of its own request, whatever it sends.
HONEST = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND}


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
    assert healthy(service)


def _well_formed() -> dict[str, Message]:
    """Give one good request for each rpc that takes one and ends by itself; the photos are small, for speed."""
    offer = listing(
        draw(AURORA_SHOE, edge=96),
        title="Aurora running shoe, 1:1 replica",
        description="Neu, nie getragen. 全新 " * 3,
        claimed_brand="Aurora",
        category="shoes > sports-shoes",
        condition="new",
        price=MoneyMessage(currency_code="USD", units=95),
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
        "GetCaller": pb.GetCallerRequest(),
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
