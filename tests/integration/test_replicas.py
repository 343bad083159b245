"""Two replicas and a builder, each a process of its own on one data folder: what one writes, all know."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc

from index.records import ReferenceKind, ReferenceState
from serving.app import open_application
from serving.registry import add_references
from tests.integration.processes import Replica, replicas, touchstone_process
from tests.integration.support import (
    AURORA,
    PATIENCE_S,
    Touchstone,
    draw,
    fill,
    listing,
    new_reference,
    settings_at,
)  # fmt: skip
from touchstone.moderation.v1 import moderation_service_pb2 as pb

SWAPS = 20
SOON_S = 1.0


def test_replicas_follow_while_a_builder_swaps_the_index(tmp_path: Path, touchstone: Touchstone) -> None:
    """A reference is matched by both within a second, a retired one by none, and no listing fails meanwhile."""
    data = tmp_path / "data"
    with open_application(settings_at(data)) as application:
        fill(application)
        embedder = application.embedder
        with (
            replicas(data, 2, refresh_s=0.2) as both,
            touchstone_process(data, "index", "build", "--follow", "--changes", "1", refresh_s=0.05) as builder,
            _screening(both) as screened,
        ):
            added, retired = [], []
            for number in range(SWAPS):
                new = new_reference(AURORA, ReferenceKind.COUNTERFEIT, 100 + number)
                add_references(application.store, embedder, [new])
                added.append(max(_until(replica, 100 + number, new.reference_id, there=True) for replica in both))
                application.store.set_reference_state(new.reference_id, ReferenceState.RETIRED)
                retired.append(max(_until(replica, 100 + number, new.reference_id, there=False) for replica in both))
            builder.wait_for(r"^index \d+-", count=SWAPS)

    assert max(added) < SOON_S, sorted(added)
    assert max(retired) < SOON_S, sorted(retired)
    assert screened
    assert not [error for error in screened if error is not None]
    verified = touchstone("--data-dir", data, "--json", "index", "verify")
    assert verified.code == 0
    assert json.loads(verified.stdout)["sound"]


@contextmanager
def _screening(both: Sequence[Replica]) -> Iterator[list[Exception | None]]:
    """Screen listings on both replicas, one after the other, for as long as the block runs."""
    done = threading.Event()
    outcomes: list[Exception | None] = []

    def work(replica: Replica) -> None:
        while not done.is_set():
            try:
                replica.stub.ScreenListing(pb.ScreenListingRequest(listing=listing()), timeout=PATIENCE_S)
                outcomes.append(None)
            except grpc.RpcError as error:
                outcomes.append(error)

    with ThreadPoolExecutor(len(both)) as pool:
        workers: list[Future[None]] = [pool.submit(work, replica) for replica in both]
        try:
            yield outcomes
        finally:
            done.set()
            for worker in workers:
                worker.result(PATIENCE_S)


def _until(replica: Replica, seed: int, reference_id: str, *, there: bool) -> float:
    """Screen a photo until the reference it shows is found, or found no more; say how many seconds that took."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE_S:
        request = pb.SearchImageRequest(image=listing(draw(seed)).images[0], max_results=20)
        matches = replica.stub.SearchImage(request, timeout=PATIENCE_S).matches
        if (reference_id in {match.reference_id for match in matches}) == there:
            return time.monotonic() - began
    raise AssertionError(f"{reference_id} there={there} never came")
