"""What may one caller, one connection or one slow sender hold? A real server with small limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import QuotaFailure, RetryInfo
from grpc_status import rpc_status

from serving.app import open_application
from tests.integration.access_support import access_file, bearer, issuer_at, token_rules
from tests.integration.support import PATIENCE_S, Service, Start, draw, fill, listing, settings_at
from touchstone.moderation.v1 import listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

ANN: Any = (("touchstone-actor", "ann"),)
BOB: Any = (("touchstone-actor", "bob"),)
SMALL = {
    "reads_per_minute": 3,
    "screens_per_minute": 4,
    "images_per_day": 5,
    "message_within_s": 0.5,
    "stream_idle_s": 0.5,
}


@pytest.fixture(scope="module")
def service(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve with small limits."""
    settings = settings_at(tmp_path_factory.mktemp("limits")).model_copy(update=SMALL)
    with open_application(settings) as application:
        fill(application)
        with start(application) as running:
            yield running


def limit_of(error: grpc.RpcError) -> tuple[str, float]:
    """Return which limit refused a call, and after how many seconds to try again."""
    status = rpc_status.from_call(error)
    assert status is not None
    retry, quota = RetryInfo(), QuotaFailure()
    for detail in status.details:
        detail.Unpack(retry)
        detail.Unpack(quota)
    return quota.violations[0].description, retry.retry_delay.ToMilliseconds() / 1_000


def test_a_caller_who_asks_too_often_is_told_which_limit_and_when(service: Service) -> None:
    """RESOURCE_EXHAUSTED carries RetryInfo and the setting; another caller is not held up."""
    for _ in range(3):
        service.stub.GetCapabilities(pb.GetCapabilitiesRequest(), metadata=ANN, timeout=PATIENCE_S)
    with pytest.raises(grpc.RpcError) as caught:
        service.stub.GetCapabilities(pb.GetCapabilitiesRequest(), metadata=ANN, timeout=PATIENCE_S)
    service.stub.GetCapabilities(pb.GetCapabilitiesRequest(), metadata=BOB, timeout=PATIENCE_S)

    name, wait_s = limit_of(caught.value)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert name == "reads_per_minute"
    assert 0 < wait_s <= 20


def test_items_of_a_stream_over_the_quota_are_answered_each(service: Service) -> None:
    """A listing over the day's photos has its own error, and the stream goes on with one that fits."""
    who: Any = (("touchstone-actor", "pipeline-7"),)
    photos = [2, 4, 2]
    requests = [
        pb.ScreenListingsRequest(listing=listing(*[draw(500)] * count, listing_id=f"q{number}"))
        for number, count in enumerate(photos)
    ]

    answers = list(service.stub.ScreenListings(iter(requests), metadata=who, timeout=PATIENCE_S))

    by_sequence = {answer.sequence: answer for answer in answers}
    assert by_sequence[0].HasField("decision")
    assert by_sequence[1].error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    assert by_sequence[2].HasField("decision")


def test_a_message_that_does_not_come_is_given_up(service: Service) -> None:
    """A unary call whose body never arrives ends with DEADLINE_EXCEEDED, though the client brought no deadline."""

    def never() -> Iterator[pb.ScreenListingRequest]:
        time.sleep(3)
        yield pb.ScreenListingRequest()

    method: Any = service.channel.stream_unary(
        "/touchstone.moderation.v1.ModerationService/ScreenListing",
        request_serializer=pb.ScreenListingRequest.SerializeToString,
        response_deserializer=pb.ScreenListingResponse.FromString,
    )
    with pytest.raises(grpc.RpcError) as caught:
        method(never())

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "did not arrive within 0.5 s" in (caught.value.details() or "")


def test_an_idle_stream_ends_after_what_was_sent_is_answered(service: Service) -> None:
    """What came is screened; then the stream is closed, for it holds a place."""

    def some() -> Iterator[pb.ScreenListingsRequest]:
        yield pb.ScreenListingsRequest(listing=listing(listing_id="i1"))
        time.sleep(5)

    stream = service.stub.ScreenListings(some(), timeout=PATIENCE_S)
    answers: list[pb.ScreenListingsResponse] = []
    with pytest.raises(grpc.RpcError) as caught:
        answers.extend(stream)

    assert [answer.listing_id for answer in answers] == ["i1"]
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "nothing came" in (caught.value.details() or "")


def test_a_message_that_is_too_large_once_decompressed_is_refused(service: Service) -> None:
    """65 MiB of zeros travel as 65 kB; the limit counts what they become."""
    ask: Any = service.channel.unary_unary("/touchstone.moderation.v1.ModerationService/ScreenListing")
    with pytest.raises(grpc.RpcError) as caught:
        ask(bytes(65 * 2**20), timeout=PATIENCE_S, compression=grpc.Compression.Gzip)

    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_who_is_not_let_in_sends_no_message(start: Start, tmp_path: Path) -> None:
    """A stranger's 60 MiB are refused before they are read: the answer is there although most was never sent."""
    issuer = issuer_at(tmp_path)
    access = access_file(tmp_path, tokens=token_rules())
    settings = settings_at(tmp_path / "data").model_copy(update={"access": access})
    sent = []

    def big() -> Iterator[bytes]:
        head = pb.ScreenListingRequest(listing=listing_pb2.Listing(listing_id="big")).SerializeToString()
        for _ in range(30):
            sent.append(len(head))
            yield head + bytes(2 * 2**20)

    with open_application(settings) as application, start(application) as running:
        method: Any = running.channel.stream_stream("/touchstone.moderation.v1.ModerationService/ScreenListing")
        with pytest.raises(grpc.RpcError) as stranger:
            list(method(big(), timeout=PATIENCE_S))
        known = running.stub.GetCapabilities(
            pb.GetCapabilitiesRequest(), metadata=bearer(issuer.token(roles=["pipeline"])), timeout=PATIENCE_S
        )

    assert stranger.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert len(sent) < 30
    assert known.api_version == "v1"
