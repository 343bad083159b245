"""Two replicas are restarted one after the other under load: no request fails, and no decision is lost or doubled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from index.store.store import Store
from serving.app import open_application
from serving.client import ModerationClient
from serving.domain import Listing
from serving.wire.requests import from_listing
from tests.integration.support import PATIENCE_S, Service, Start, draw, fill, settings_at
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

PHOTO = draw(500, edge=96)
CLIENTS = 3
# Longer than a client takes to find out that a replica is back.
SETTLED_S = 1.5


@dataclass
class Account:
    """What clients were told: by listing, the decision."""

    decisions: dict[str, decision_pb2.Decision] = field(default_factory=dict)
    interrupted: int = 0


def test_a_rolling_restart_fails_no_request(start: Start, tmp_path: Path) -> None:
    """Clients that ship see no error, streams at most UNAVAILABLE, after which what is unanswered is sent again."""
    account, stop = Account(), threading.Event()
    with ExitStack() as replicas, ThreadPoolExecutor(CLIENTS + 1) as pool:
        applications = [replicas.enter_context(open_application(settings_at(tmp_path))) for _ in range(2)]
        fill(applications[0])
        running = [ExitStack() for _ in applications]
        services: list[Service] = [
            stack.enter_context(start(application)) for stack, application in zip(running, applications, strict=True)
        ]
        for stack in running:
            replicas.push(stack)
        target = "ipv4:" + ",".join(service.target for service in services)
        load = [pool.submit(_screen, target, number, account, stop) for number in range(CLIENTS)]
        load.append(pool.submit(_stream, services, account, stop))
        try:
            for number in range(len(services)):
                threading.Event().wait(SETTLED_S)
                running[number].close()
                running[number].enter_context(start(applications[number], listen=services[number].target))
            threading.Event().wait(SETTLED_S)
        finally:
            stop.set()
        for one in load:
            one.result(PATIENCE_S)

    assert len(account.decisions) > 10
    assert account.interrupted >= 1  # a stream met a replica that drained
    with Store.open(tmp_path / "touchstone.db") as store:
        events = [event.decision for event in store.events_after(0, limit=10**6)]
        assert not [name for name, times in Counter(one.listing_id for one in events).items() if times > 1]
        recorded = {one.decision_id: one for one in events}
        for decision in account.decisions.values():
            assert recorded[decision.decision_id].payload == decision.SerializeToString(deterministic=True)


def _screen(target: str, number: int, account: Account, stop: threading.Event) -> None:
    """Screen one listing after the other; any error ends the test."""
    with ModerationClient(target) as client:
        count = 0
        while not stop.is_set():
            listing = Listing(listing_id=f"c{number}-{count}", images=(PHOTO,))
            decision = client.screen_or_raise(listing, timeout_s=PATIENCE_S)
            account.decisions[listing.listing_id] = decision
            count += 1


def _stream(services: list[Service], account: Account, stop: threading.Event) -> None:
    """Screen by stream, at the other replica when one ends it; what was not answered is sent again, by its key."""
    turn, sent = 0, 0
    unanswered: dict[str, pb.ScreenListingsRequest] = {}

    def requests() -> Iterator[pb.ScreenListingsRequest]:
        nonlocal sent
        yield from list(unanswered.values())
        while not stop.is_set():
            listing_id = f"s-{sent}"
            unanswered[listing_id] = pb.ScreenListingsRequest(
                listing=from_listing(Listing(listing_id=listing_id, images=(PHOTO,))), request_id=listing_id
            )
            sent += 1
            yield unanswered[listing_id]
            stop.wait(0.05)

    while not (stop.is_set() and not unanswered):
        with grpc.insecure_channel(
            services[turn % 2].target, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            try:
                for response in ModerationServiceStub(channel).ScreenListings(requests(), timeout=PATIENCE_S):
                    assert response.WhichOneof("result") == "decision", response.error
                    del unanswered[response.listing_id]
                    account.decisions[response.listing_id] = response.decision
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                account.interrupted += 1
                turn += 1
