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

SWAPS = 4
# A second where the machine is the test's own; here others share it, and both replicas screen as fast as they can.
SOON_S = 10.0
_BUILT = r"^index \d+-"


def test_replicas_follow_while_a_builder_swaps_the_index(tmp_path: Path, touchstone: Touchstone) -> None:
    """A reference is soon matched by both, a retired one by none, and no listing fails while indexes are swapped."""
    data = tmp_path / "data"
    with open_application(settings_at(data)) as application:
        fill(application)
        with (
            replicas(data, 2, refresh_s=0.2) as both,
            touchstone_process(data, "index", "build", "--follow", "--changes", "1", refresh_s=0.05) as builder,
        ):
            builder.wait_for(_BUILT)
            seconds = []
            with _screening(both) as screened:
                for number in range(SWAPS):
                    # Every other change takes back the one before it.
                    new = new_reference(AURORA, ReferenceKind.COUNTERFEIT, 100 + number // 2)
                    if number % 2 == 0:
                        add_references(application.store, application.embedder, [new])
                    else:
                        application.store.set_reference_state(new.reference_id, ReferenceState.RETIRED)
                    began = time.monotonic()
                    for replica in both:
                        _wait(replica, 100 + number // 2, new.reference_id, there=number % 2 == 0)
                    seconds.append(time.monotonic() - began)
                    builder.wait_for(_BUILT, count=2 + number)

    assert max(seconds) < SOON_S, sorted(seconds)
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


def _wait(replica: Replica, seed: int, reference_id: str, *, there: bool) -> None:
    """Ask for a photo's matches until the reference it shows is among them, or is no more."""
    began = time.monotonic()
    request = pb.SearchImageRequest(image=listing(draw(seed)).images[0], max_results=20)
    while time.monotonic() < began + PATIENCE_S:
        matches = replica.stub.SearchImage(request, timeout=PATIENCE_S).matches
        if (reference_id in {match.reference_id for match in matches}) == there:
            return
    raise AssertionError(f"{reference_id} there={there} never came")
