"""While the store is away listings are still decided on, with care; when it is back all of it is on record, once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from numpy.typing import NDArray
from pydantic import SecretStr

from index.store.store import Store
from serving.app import Application, open_application
from serving.moderation import Moderation
from serving.settings import Settings
from serving.status import to_status
from tests.integration.support import (
    KNOWN_FAKE,
    PATIENCE_S,
    Service,
    Start,
    codes,
    draw,
    fill,
    listing,
    settings_at,
    with_embedder,
)
from tests.support.postgres import PostgresMissing, PostgresServer
from touchstone.moderation.v1 import case_service_pb2, decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.case_service_pb2_grpc import CaseServiceStub
from vision.errors import ModelError, ModelUnavailable
from vision.fake import FakeEmbedder


@pytest.fixture
def settings(durable_server: PostgresServer, tmp_path: Path) -> Settings:
    """Set up a service over an empty database."""
    return Settings(
        embedder="fake",
        data_dir=tmp_path,
        store=SecretStr(durable_server.url(durable_server.create())),
        drain_s=5.0,
        workers=4,
        audit_share=0.0,
        takedown_audit_share=0.0,
        refresh_s=0.2,
        store_patience_s=30.0,
    )


@pytest.fixture
def service(start: Start, settings: Settings, durable_server: PostgresServer) -> Iterator[Service]:
    """Serve over a small registry; the database is there again when the test ends."""
    with open_application(settings) as application:
        fill(application)
        with start(application) as running:
            yield running
            with suppress(PostgresMissing):
                _bring_back(durable_server)


def test_listings_are_decided_without_the_store_and_recorded_when_it_is_back(
    service: Service, durable_server: PostgresServer, settings: Settings
) -> None:
    """REVIEW with a reason and versions, by rpc and by stream; then each is on record once, with case and event."""
    before = service.screen(listing(listing_id="before"), request_id="before").decision

    durable_server.kill()
    plain = service.screen(listing(listing_id="plain"), request_id="plain").decision
    fake = service.screen(listing(draw(KNOWN_FAKE), listing_id="fake")).decision
    streamed = [
        response.decision
        for response in service.stub.ScreenListings(
            iter(pb.ScreenListingsRequest(listing=listing(listing_id=f"s{number}")) for number in range(4)),
            timeout=PATIENCE_S,
        )
    ]
    again = service.screen(listing(listing_id="plain"), request_id="plain").decision
    looked_up = _look_up(service, plain.decision_id)
    given = [plain, fake, *streamed]
    durable_server.start()
    _until(lambda: len(service.application.moderation.spool) == 0)
    after = service.screen(listing(listing_id="after")).decision

    assert before.verdict == after.verdict == decision_pb2.VERDICT_ALLOW
    assert {decision.verdict for decision in given} == {decision_pb2.VERDICT_REVIEW}
    assert all("STORE_UNAVAILABLE" in codes(decision) for decision in given)
    assert all(decision.index_version and decision.policy_version for decision in given)
    assert again == looked_up == plain
    with Store.open(settings.store_place) as store:
        events = store.events_after(0)
        recorded = {event.decision.decision_id: event for event in events}
        assert sorted(recorded) == sorted(one.decision_id for one in (before, *given, after))
        assert len(events) == len(recorded)
        for decision in given:
            event = recorded[decision.decision_id]
            assert event.decision.payload == decision.SerializeToString(deterministic=True)
            assert store.get_case(event.case_id).decision_id == decision.decision_id
    assert _look_up(service, plain.decision_id) == plain
    assert not list((settings.data_dir / "spool").glob("*")) or service.application.moderation.spool.size == 0


def test_what_needs_the_store_is_unavailable_at_once_and_the_service_stays_healthy(
    service: Service, durable_server: PostgresServer
) -> None:
    """With when to ask again; load balancers keep the replica, which still answers listings."""
    durable_server.kill()
    service.screen(listing())
    _until(lambda: service.application.moderation.guard.away_since is not None)

    with pytest.raises(grpc.RpcError) as unknown:
        _look_up(service, "nobody gave this id")
    with pytest.raises(grpc.RpcError) as queue:
        CaseServiceStub(service.channel).ListCases(case_service_pb2.ListCasesRequest(), timeout=PATIENCE_S)
    health = health_pb2_grpc.HealthStub(service.channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)

    assert unknown.value.code() is queue.value.code() is grpc.StatusCode.UNAVAILABLE
    assert _retry_after_s(queue.value) > 0
    assert health.status == health_pb2.HealthCheckResponse.SERVING


def test_those_who_read_a_store_that_hangs_hold_up_no_listing(
    own_application: Application, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many look something up, listings are screened on threads of their own."""
    answers = threading.Event()
    monkeypatch.setattr(own_application.store, "get_decision", lambda _: answers.wait(PATIENCE_S))
    with start(own_application) as service:
        request = pb.GetDecisionRequest(decision_id="d")
        reading = [
            service.stub.GetDecision.future(request, timeout=PATIENCE_S)
            for _ in range(2 * own_application.settings.workers)
        ]
        decision = service.screen(listing()).decision
        unanswered = sum(not call.done() for call in reading)
        for call in reading:
            call.cancel()
        answers.set()

    assert decision.verdict == decision_pb2.VERDICT_ALLOW
    assert unanswered == len(reading)


def test_an_index_that_is_not_refreshed_is_said_in_the_decision(start: Start, tmp_path: Path) -> None:
    """REVIEW with the version that was searched; in a process that renews nothing there is nothing to say."""
    settings = settings_at(tmp_path).model_copy(update={"stale_index_s": 0.01, "refresh_s": 3600.0})
    with open_application(settings) as application:
        fill(application)
        fresh = application.moderation.screen(pb.ScreenListingRequest(listing=listing(listing_id="fresh")))
        with start(application) as service:
            _until(lambda: (application.knowledge.behind_s or 0.0) > 0.01)
            stale = service.screen(listing(listing_id="stale")).decision

    assert fresh.verdict == decision_pb2.VERDICT_ALLOW
    assert stale.verdict == decision_pb2.VERDICT_REVIEW
    (reason,) = [reason for reason in stale.reasons if reason.code == "INDEX_STALE"]
    assert stale.index_version in reason.text


@pytest.mark.parametrize("error", [ModelUnavailable("the model's server is away"), ModelError("3 answers for 4 crops")])
def test_a_model_that_cannot_be_reached_is_asked_again_and_one_that_fails_is_a_review(
    own_application: Application, start: Start, error: ModelError
) -> None:
    """The one is UNAVAILABLE with when to ask again and leaves nothing behind, the other a decision with a reason."""

    class Broken(FakeEmbedder):
        def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
            raise error

    before = own_application.store.counts().decisions
    with start(own_application) as service:
        with with_embedder(own_application, Broken()) as broken:
            answer = _screened(broken.moderation)
        after = own_application.store.counts().decisions
        mended = service.screen(listing(listing_id="mended")).decision

    assert mended.verdict == decision_pb2.VERDICT_ALLOW
    if isinstance(error, ModelUnavailable):
        assert isinstance(answer, ModelUnavailable)
        assert to_status(answer).code == grpc.StatusCode.UNAVAILABLE.value[0]
        assert after == before
    else:
        assert isinstance(answer, decision_pb2.Decision)
        assert answer.verdict == decision_pb2.VERDICT_REVIEW
        assert "STAGE_FAILED" in codes(answer)
        assert after == before + 1


def test_without_room_on_disk_a_listing_is_refused_and_not_lost(
    start: Start, settings: Settings, durable_server: PostgresServer
) -> None:
    """UNAVAILABLE is the truth: nothing of it is on record later, and asked again it is decided."""
    with open_application(settings.model_copy(update={"spool_mib": 0})) as application, start(application) as service:
        durable_server.kill()
        with pytest.raises(grpc.RpcError) as refused:
            service.screen(listing(listing_id="l"), request_id="k")
        durable_server.start()
        _until(lambda: application.moderation.guard.away_since is None)
        decision = service.screen(listing(listing_id="l"), request_id="k").decision
        decided = application.store.counts().decisions

    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert _retry_after_s(refused.value) > 0
    assert decision.verdict == decision_pb2.VERDICT_ALLOW
    assert decided == 1


def test_what_waited_survives_the_process(start: Start, settings: Settings, durable_server: PostgresServer) -> None:
    """The next process on the data folder records what the one before could not."""
    with open_application(settings) as application, start(application) as service:
        durable_server.kill()
        given = service.screen(listing(listing_id="l")).decision
    durable_server.start()

    with open_application(settings) as application, start(application) as service:
        _until(lambda: application.store.counts().decisions == 1)
        found = _look_up(service, given.decision_id)

    assert found == given


def _screened(moderation: Moderation) -> decision_pb2.Decision | Exception:
    try:
        return moderation.screen(pb.ScreenListingRequest(listing=listing(listing_id="l")))
    except ModelError as error:
        return error


def _look_up(service: Service, decision_id: str) -> decision_pb2.Decision:
    return service.stub.GetDecision(pb.GetDecisionRequest(decision_id=decision_id), timeout=PATIENCE_S).decision


def _retry_after_s(error: grpc.RpcError) -> float:
    status = rpc_status.from_call(error)
    retry = RetryInfo()
    assert status is not None
    assert any(detail.Unpack(retry) for detail in status.details)
    return retry.retry_delay.ToTimedelta().total_seconds()


def _bring_back(durable_server: PostgresServer) -> None:
    try:
        durable_server.connect().close()
    except Exception:  # noqa: BLE001 - whatever it is, the server is away
        durable_server.start()


def _until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
