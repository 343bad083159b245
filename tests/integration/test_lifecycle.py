"""How does the service live? It says that it is well, tells its followers, and stops without losing work.

No test here trusts to time: each waits for an event, a health status or the end of a process, within bounds.
"""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from numpy.typing import NDArray

from index.store.store import Store
from serving import server
from serving.app import Application
from serving.rpc_services import MODERATION_SERVICE
from tests.integration.support import (
    AURORA_SHOE,
    PATIENCE_S,
    Service,
    Start,
    draw,
    environment,
    listing,
    serve_command,
    with_embedder,
)
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub
from vision.fake import FakeEmbedder

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def test_health_is_serving_by_either_name(service: Service) -> None:
    """A load balancer may ask for the server or for ModerationService; another name is unknown."""
    health = health_pb2_grpc.HealthStub(service.channel)

    for name in ("", MODERATION_SERVICE.full_name):
        assert health.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE_S).status == SERVING
    with pytest.raises(grpc.RpcError) as unknown:
        health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=PATIENCE_S)
    assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_health_follows_what_inference_can_do(
    own_application: Application, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the canary fails the service says NOT_SERVING, and SERVING again once it passes."""
    monkeypatch.setattr(server, "CANARY_INTERVAL_S", 0.05)
    embedder = _FallibleEmbedder()

    with with_embedder(own_application, embedder) as application, start(application) as service:
        statuses = _health_of(service.channel)
        seen = [next(statuses)]
        embedder.broken = True
        seen.append(next(statuses))
        embedder.broken = False
        seen.append(next(statuses))

    assert seen == [SERVING, NOT_SERVING, SERVING]


def test_draining_says_not_serving_first(own_application: Application, start: Start) -> None:
    """Whoever watches health is told NOT_SERVING before the connection ends, and does not hold the drain up."""
    with ExitStack() as running:
        service = running.enter_context(start(own_application))
        with grpc.insecure_channel(service.target) as channel:
            statuses = _health_of(channel)
            first = next(statuses)
            running.close()
            second = next(statuses)

    assert (first, second) == (SERVING, NOT_SERVING)


def test_a_watch_resumes_where_it_stopped(own_service: Service) -> None:
    """Events come in order with growing cursors; a cursor resumes after its event, and `only_new` skips what was."""
    for number in range(4):
        own_service.screen(listing(listing_id=f"w{number}"))
    watch = own_service.stub.WatchDecisions(pb.WatchDecisionsRequest(), timeout=PATIENCE_S)
    seen = [next(watch) for _ in range(4)]
    new = own_service.stub.WatchDecisions(pb.WatchDecisionsRequest(only_new=True), timeout=PATIENCE_S)
    new.initial_metadata()  # connected: what happens from here on is new

    resumed = own_service.stub.WatchDecisions(pb.WatchDecisionsRequest(cursor=seen[1].cursor), timeout=PATIENCE_S)
    again = [next(resumed) for _ in range(2)]
    own_service.stub.RemoveListing(
        pb.RemoveListingRequest(listing_id="w0", reason=pb.REMOVAL_REASON_COUNTERFEIT), timeout=PATIENCE_S
    )
    removal = next(new)

    assert [event.listing_id for event in seen] == ["w0", "w1", "w2", "w3"]
    assert [int(event.cursor) for event in seen] == sorted({int(event.cursor) for event in seen})
    assert {event.cause for event in seen} == {pb.VERDICT_CAUSE_SCREENED}
    assert again == seen[2:]
    assert (removal.listing_id, removal.cause) == ("w0", pb.VERDICT_CAUSE_REMOVED)
    assert removal == next(watch) == next(resumed)


def test_open_streams_end_when_the_server_drains(own_application: Application, start: Start) -> None:
    """A watch and an idle ScreenListings end with UNAVAILABLE; what the latter had sent is answered first."""
    idle = threading.Event()

    def offers() -> Iterator[pb.ScreenListingsRequest]:
        yield pb.ScreenListingsRequest(listing=listing(listing_id="sent"))
        idle.wait(PATIENCE_S)

    with ExitStack() as running:
        service = running.enter_context(start(own_application))
        with grpc.insecure_channel(service.target) as channel:
            stub = ModerationServiceStub(channel)
            answers = stub.ScreenListings(offers(), timeout=PATIENCE_S)
            watch = stub.WatchDecisions(pb.WatchDecisionsRequest(), timeout=PATIENCE_S)
            answered, event = next(answers), next(watch)
            running.close()
            with pytest.raises(grpc.RpcError) as watching:
                next(watch)
            with pytest.raises(grpc.RpcError) as streaming:
                next(answers)
            idle.set()

    assert event.decision == answered.decision
    assert watching.value.code() is streaming.value.code() is grpc.StatusCode.UNAVAILABLE


def test_sigterm_under_load_loses_nothing(filled: Path) -> None:
    """After SIGTERM every accepted request is answered, the rest are UNAVAILABLE, and the process ends with 0."""
    before = _decisions(filled)
    enough = threading.Semaphore(0)

    with _server_process(filled) as (process, target), ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(_screen_until_refused, target, enough) for _ in range(4)]
        for _ in range(12):
            assert enough.acquire(timeout=PATIENCE_S)
        process.send_signal(signal.SIGTERM)
        answered = sum(client.result(PATIENCE_S) for client in clients)
        errors = process.communicate(timeout=PATIENCE_S)[1]

    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert answered >= 12
    assert _decisions(filled) - before == answered


class _FallibleEmbedder(FakeEmbedder):
    """A `FakeEmbedder` whose device can go away."""

    broken = False

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        if self.broken:
            raise RuntimeError("the device is gone")
        return super().embed(crops)


def _health_of(channel: grpc.Channel) -> Iterator[int]:
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    return (answer.status for answer in watch)


def _decisions(data: Path) -> int:
    with Store.open(data / "touchstone.db") as store:
        return store.counts().decisions


def _screen_until_refused(target: str, enough: threading.Semaphore) -> int:
    """Screen one listing after the other until the server is away; count the answers."""
    answered = 0
    with grpc.insecure_channel(target, options=[("grpc.enable_retries", 0)]) as channel:
        stub = ModerationServiceStub(channel)
        while True:
            try:
                stub.ScreenListing(pb.ScreenListingRequest(listing=listing(draw(AURORA_SHOE))), timeout=PATIENCE_S)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return answered
                raise
            answered += 1
            enough.release()


@contextmanager
def _server_process(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(serve_command(data), env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = iter(process.stderr.readline, "")  # "" once it has ended
            announced = (re.search(r"serving on (127\.0\.0\.1:\d+)", line) for line in lines)
            yield process, next(found[1] for found in announced if found)
        finally:
            process.kill()
