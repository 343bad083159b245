"""What does the client that ships do when the service does not answer? It tries again, then says REVIEW."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import pytest

from serving.client import ModerationClient
from serving.domain import Listing
from serving.errors import InvalidListing
from serving.rpc_services import MODERATION_SERVICE
from tests.integration.held import Held, holding
from tests.integration.support import PATIENCE_S, Service, Start, codes, draw
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb


@dataclass
class FailingService:
    """Answers ScreenListing with `code` until it was asked `failures` times, then with ALLOW; keeps the requests."""

    code: grpc.StatusCode
    failures: int
    requests: list[pb.ScreenListingRequest] = field(default_factory=list)

    def screen(self, request: pb.ScreenListingRequest, context: grpc.ServicerContext) -> pb.ScreenListingResponse:
        """Fail, or allow."""
        self.requests.append(request)
        if len(self.requests) <= self.failures:
            context.abort(self.code, "as told")
        return pb.ScreenListingResponse(decision=decision_pb2.Decision(verdict=decision_pb2.VERDICT_ALLOW))


@contextmanager
def client_of(failing: FailingService) -> Iterator[ModerationClient]:
    """Serve a failing service, and connect the client that ships."""
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)])
    handler = grpc.unary_unary_rpc_method_handler(
        failing.screen, pb.ScreenListingRequest.FromString, pb.ScreenListingResponse.SerializeToString
    )
    name = MODERATION_SERVICE.full_name
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"ScreenListing": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with ModerationClient(f"127.0.0.1:{port}") as client:
            yield client
    finally:
        server.stop(None).wait(PATIENCE_S)


@pytest.mark.parametrize("photo", [b"small", bytes(5 * 2**20)], ids=["small", "5 MiB"])
def test_the_client_retries_while_the_service_is_away(photo: bytes) -> None:
    """UNAVAILABLE is tried again under the same key, large photos too, until there is an answer."""
    failing = FailingService(grpc.StatusCode.UNAVAILABLE, failures=2)

    with client_of(failing) as client:
        decision = client.screen(Listing(listing_id="a1", images=(photo,)), timeout_s=PATIENCE_S)

    assert decision.verdict == decision_pb2.VERDICT_ALLOW
    assert len(failing.requests) == 3
    assert len({request.request_id for request in failing.requests}) == 1
    assert failing.requests[0].request_id


@pytest.mark.parametrize(
    "code", [each for each in grpc.StatusCode if each not in {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}]
)
def test_no_answer_is_a_review_and_never_an_allow(code: grpc.StatusCode) -> None:
    """Whatever the service fails with, the client's own verdict is REVIEW, and its reason says that nobody decided."""
    with client_of(FailingService(code, failures=100)) as client:
        decision = client.screen(Listing(listing_id="a1", images=(b"x",)), timeout_s=5.0)

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert codes(decision) == {"SERVICE_UNAVAILABLE"}
    assert decision.listing_id == "a1"
    assert not decision.decision_id


def test_a_late_service_is_a_review(held: Held, start: Start) -> None:
    """When the deadline passes the client does not wait for the answer: the listing is held for a person."""
    with start(held.application) as service, holding(held.embedder), ModerationClient(service.target) as client:
        decision = client.screen(Listing(listing_id="a1", images=(draw(1),)), timeout_s=0.5)

    assert decision.verdict == decision_pb2.VERDICT_REVIEW
    assert "DEADLINE_EXCEEDED" in decision.reasons[0].text


def test_a_service_out_of_reach_is_a_review() -> None:
    """Nobody listens there: REVIEW, well before the deadline."""
    with ModerationClient("127.0.0.1:1") as client:
        decision = client.screen(Listing(listing_id="a1", images=(b"x",)), timeout_s=20.0)

    assert codes(decision) == {"SERVICE_UNAVAILABLE"}
    assert "UNAVAILABLE" in decision.reasons[0].text


def test_a_refused_listing_is_the_callers_to_mend(service: Service) -> None:
    """A listing that breaks the rules raises with every violation: no fallback hides the caller's mistake."""
    with ModerationClient(service.target) as client, pytest.raises(InvalidListing) as refused:
        client.screen(Listing(listing_id="", images=()))

    assert {violation.field for violation in refused.value.violations} == {"listing.listing_id", "listing.images"}
