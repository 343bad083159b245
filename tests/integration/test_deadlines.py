"""What happens when there is more work than time or room? Deadlines, full queues, and a drain amid the work."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import TypeAlias

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from serving.batching import BatchingEmbedder
from serving.deadline import Deadline
from serving.errors import Overloaded
from tests.integration.held import Held, HeldEmbedder, holding
from tests.integration.support import PATIENCE_S, Start, listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

Call: TypeAlias = "grpc.Future[pb.ScreenListingResponse]"  # subscriptable for type checkers only
CROP = np.zeros((8, 8, 3), np.uint8)


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


def test_a_deadline_that_passed_stops_the_next_stage() -> None:
    """What is left never falls below zero; a deadline that never passes lets everything begin."""
    assert Deadline.after(-1.0).remaining == 0.0
    assert Deadline.after(None).remaining is None
    Deadline.after(None).check("anything")


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
