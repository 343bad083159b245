"""What happens when there is more work than time or room? Deadlines, full queues, streams, and a client that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from numpy.typing import NDArray

from serving.app import Application
from serving.batching import BatchingEmbedder
from serving.client import ModerationClient
from serving.deadline import Deadline
from serving.domain import Listing
from serving.errors import InvalidListing, Overloaded
from serving.server import MODERATION_SERVICE
from serving.streams import Interrupted, answer_each
from tests.integration.support import PATIENCE_S, Service, Start, codes, draw, listing, with_embedder
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub
from vision.fake import FakeEmbedder

Call: TypeAlias = "grpc.Future[pb.ScreenListingResponse]"  # subscriptable for type checkers only
CROP = np.zeros((8, 8, 3), np.uint8)


class HeldEmbedder:
    """An `Embedder` that can be held: while it is, whoever calls it waits. `reached` is set when somebody does."""

    def __init__(self) -> None:
        self._embedder = FakeEmbedder()
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()
        self.fingerprint = self._embedder.fingerprint
        self.dim = self._embedder.dim

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed as `FakeEmbedder` does, once it may."""
        if not self._open.is_set():
            self.reached.set()
        if not self._open.wait(PATIENCE_S):
            raise TimeoutError("held for too long")
        return self._embedder.embed(crops)

    def hold(self) -> None:
        """Let nobody through from now on."""
        self._open.clear()

    def release(self) -> None:
        """Let everybody through."""
        self._open.set()


@dataclass(frozen=True)
class Held:
    """An application whose embedder can be held."""

    embedder: HeldEmbedder
    application: Application

    def with_settings(self, **changes: float) -> Application:
        """Give the application with other settings for its server."""
        return replace(self.application, settings=self.application.settings.model_copy(update=changes))


@pytest.fixture
def held(own_application: Application) -> Iterator[Held]:
    """Give an application whose embedder can be held; it is released when the test ends."""
    embedder = HeldEmbedder()
    with with_embedder(own_application, embedder) as application:
        yield Held(embedder, application)
        embedder.release()


@contextmanager
def holding(embedder: HeldEmbedder) -> Iterator[None]:
    """Hold the embedder for a block, so that a server that stops after it finds nobody waiting."""
    embedder.hold()
    try:
        yield
    finally:
        embedder.release()


def test_a_deadline_shorter_than_the_work_leaves_nothing_behind(held: Held, start: Start) -> None:
    """DEADLINE_EXCEEDED means that no decision, case or event was written, also once the work was let go on."""
    before = held.application.store.counts()
    head = held.application.store.event_head()

    with start(held.application) as service, holding(held.embedder):
        request = pb.ScreenListingRequest(listing=listing(), request_id="late")
        with pytest.raises(grpc.RpcError) as late:
            service.stub.ScreenListing(request, timeout=0.5)

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert held.application.store.counts() == before  # read after the server waited for its workers
    assert held.application.store.event_head() == head


def test_the_key_of_a_late_request_is_free_to_try_again(held: Held, start: Start) -> None:
    """After DEADLINE_EXCEEDED the same request with the same key is decided as if it were the first."""
    with start(held.application) as service:
        with holding(held.embedder), pytest.raises(grpc.RpcError):
            service.stub.ScreenListing(pb.ScreenListingRequest(listing=listing(), request_id="again"), timeout=0.5)

        decision = service.screen(listing(), request_id="again").decision

    assert decision.verdict == decision_pb2.VERDICT_ALLOW
    assert held.application.store.counts().decisions == 1


def test_a_client_without_a_deadline_gets_the_servers(held: Held, start: Start) -> None:
    """The operator bounds how long a listing may take; the status says that nothing was recorded."""
    request = pb.ScreenListingRequest(listing=listing())

    hurried = held.with_settings(max_deadline_s=0.3)
    with start(hurried) as service, holding(held.embedder), pytest.raises(grpc.RpcError) as late:
        service.stub.ScreenListing(request)

    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "nothing was recorded" in str(late.value.details())


def test_a_full_queue_refuses_and_says_when_to_return(held: Held, start: Start) -> None:
    """Of three requests with room for two, one is RESOURCE_EXHAUSTED with RetryInfo; the others are answered."""
    with start(held.with_settings(max_waiting=2)) as service:
        with holding(held.embedder):
            stub = service.stub
            calls = [stub.ScreenListing.future(pb.ScreenListingRequest(listing=listing())) for _ in range(3)]
            refused = _first_done(calls)
        decided = [call.result(PATIENCE_S) for call in calls if call is not refused]

    error = refused.exception()
    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    (detail,) = rpc_status.from_call(error).details
    retry = RetryInfo()
    assert detail.Unpack(retry)
    assert retry.retry_delay.ToTimedelta().total_seconds() > 0
    assert all(answer.decision.verdict == decision_pb2.VERDICT_ALLOW for answer in decided)


def test_draining_finishes_what_runs_and_refuses_the_rest(held: Held, start: Start) -> None:
    """Once health says NOT_SERVING a new request is UNAVAILABLE, and the one in work is answered all the same."""
    request = pb.ScreenListingRequest(listing=listing())

    with ExitStack() as running, ThreadPoolExecutor(1) as pool:
        service = running.enter_context(start(held.application))
        with grpc.insecure_channel(service.target) as channel:
            stub, health = ModerationServiceStub(channel), health_pb2_grpc.HealthStub(channel)
            statuses = health.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
            assert next(statuses).status == health_pb2.HealthCheckResponse.SERVING
            with holding(held.embedder):
                call = stub.ScreenListing.future(request, timeout=PATIENCE_S)
                assert held.embedder.reached.wait(PATIENCE_S)
                stopped = pool.submit(running.close)
                assert next(statuses).status == health_pb2.HealthCheckResponse.NOT_SERVING
                with pytest.raises(grpc.RpcError) as refused:
                    stub.ScreenListing(request, timeout=PATIENCE_S)
            answer = call.result(PATIENCE_S)
        stopped.result(PATIENCE_S)

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert answer.decision.verdict == decision_pb2.VERDICT_ALLOW
    assert held.application.store.counts().decisions == 1


def test_the_embedders_queue_is_bounded_too() -> None:
    """With one caller in work and room for one more, a third is refused; a deadline frees a place that waits."""
    held = HeldEmbedder()
    with BatchingEmbedder(held, max_waiting=1) as batching, ThreadPoolExecutor(3) as pool, holding(held):
        working = pool.submit(batching.embed, [CROP])
        assert held.reached.wait(PATIENCE_S)
        two = [pool.submit(batching.embed, [CROP]) for _ in range(2)]
        done, waiting = wait(two, PATIENCE_S, FIRST_COMPLETED)
        held.release()

        assert isinstance(done.pop().exception(), Overloaded)
        assert waiting.pop().result(PATIENCE_S).shape == working.result(PATIENCE_S).shape == (1, held.dim)


def test_a_bad_item_does_not_end_the_stream(service: Service) -> None:
    """Each request of a stream is answered once, under its position and ids; a bad one by its own status."""
    offers = [listing(listing_id="good"), listing(b"x", listing_id="blind"), listing(listing_id="bad", market="??")]
    requests = [pb.ScreenListingsRequest(listing=offer, request_id=f"stream-{offer.listing_id}") for offer in offers]

    answers = {answer.sequence: answer for answer in service.stub.ScreenListings(iter(requests), timeout=PATIENCE_S)}

    assert sorted(answers) == [0, 1, 2]
    assert [answers[n].listing_id for n in range(3)] == ["good", "blind", "bad"]
    assert [answers[n].request_id for n in range(3)] == ["stream-good", "stream-blind", "stream-bad"]
    assert answers[0].decision.verdict == decision_pb2.VERDICT_ALLOW
    assert codes(answers[1].decision) >= {"IMAGES_UNREADABLE"}
    assert answers[2].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    violations = BadRequest()
    assert answers[2].error.details[0].Unpack(violations)
    assert violations.field_violations[0].field == "listing.market"


def test_a_stream_sent_again_yields_the_same_decisions(service: Service) -> None:
    """Items keep their keys across streams: what was answered before is not decided anew."""
    requests = [pb.ScreenListingsRequest(listing=listing(listing_id=f"r{n}"), request_id=f"r{n}") for n in range(5)]

    first = {a.request_id: a.decision for a in service.stub.ScreenListings(iter(requests), timeout=PATIENCE_S)}
    again = {a.request_id: a.decision for a in service.stub.ScreenListings(iter(requests), timeout=PATIENCE_S)}

    assert len(first) == 5
    assert again == first


def test_a_fast_writer_is_slowed_down(held: Held, start: Start) -> None:
    """While nothing is answered the server stops reading, so the client cannot send on; then everything is answered."""
    photo = draw(9, kind="JPEG") + bytes(2**20)  # a megabyte each, so that buffers on the way are soon full
    far = threading.Event()

    def offers() -> Iterator[pb.ScreenListingsRequest]:
        for number in range(48):
            if number == 40:
                far.set()
            yield pb.ScreenListingsRequest(listing=listing(photo, listing_id=f"b{number}"))

    with start(held.application) as service:
        with holding(held.embedder):
            answers = service.stub.ScreenListings(offers(), timeout=PATIENCE_S)
            assert held.embedder.reached.wait(PATIENCE_S)
            assert not far.wait(1.0)
        decided = list(answers)

    assert sorted(answer.sequence for answer in decided) == list(range(48))
    assert all(answer.HasField("decision") for answer in decided)


async def test_only_so_many_items_are_in_work_at_once() -> None:
    """No more than `at_once` requests are answered at a time, and reading is one ahead at most."""
    taken: list[int] = []
    gate, full = asyncio.Event(), asyncio.Event()
    working: set[int] = set()

    async def requests() -> AsyncIterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    async def answer(position: int, request: int) -> int:
        working.add(position)
        if len(working) == 3:
            full.set()
        await gate.wait()
        working.discard(position)
        return request

    async def collect() -> list[int]:
        return [each async for each in answer_each(requests(), answer, at_once=3, stop=asyncio.Event())]

    collecting = asyncio.create_task(collect())
    await full.wait()
    seen = len(taken)
    gate.set()

    assert seen <= 4
    assert sorted(await collecting) == list(range(9))


async def test_a_stopped_stream_answers_what_it_took() -> None:
    """When the server drains, items in work are answered, no more are read, and the end says that there was a rest."""
    gate, stop, working = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def requests() -> AsyncIterator[str]:
        yield "taken"
        await stop.wait()
        await asyncio.Event().wait()  # a client that keeps its stream open

    async def answer(_: int, request: str) -> str:
        working.set()
        await gate.wait()
        return request

    async def collect() -> list[str]:
        answers = []
        try:
            async for each in answer_each(requests(), answer, at_once=3, stop=stop):
                answers.append(each)
        except Interrupted:
            answers.append("interrupted")
        return answers

    collecting = asyncio.create_task(collect())
    await working.wait()
    stop.set()
    gate.set()

    assert await asyncio.wait_for(collecting, PATIENCE_S) == ["taken", "interrupted"]


def test_a_deadline_that_passed_stops_the_next_stage() -> None:
    """What is left never falls below zero; a deadline that never passes lets everything begin."""
    assert Deadline.after(-1.0).remaining == 0.0
    assert Deadline.after(None).remaining is None
    Deadline.after(None).check("anything")


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


def _first_done(calls: Sequence[Call]) -> Call:
    done = threading.Event()
    finished: list[Call] = []

    def note(call: Call) -> None:
        finished.append(call)
        done.set()

    for call in calls:
        call.add_done_callback(note)
    assert done.wait(PATIENCE_S)
    return finished[0]
