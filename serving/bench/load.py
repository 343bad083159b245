"""How many decisions a second, and how soon at a given load? Listings of one photo over gRPC, saturated and at a rate.

Saturated, so many requests are always in flight. At a rate, requests leave at random moments drawn beforehand (a
Poisson process), however long the answers take, and are timed from the moment that they were due: a slow service gets
no relief (Schroeder et al., "Open versus closed: a cautionary tale", 2006).
"""

from __future__ import annotations

import statistics
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import grpc
import numpy as np

from serving.bench.figures import LOAD, Service
from serving.bench.timing import percentile
from serving.bench.workload import BenchPhoto
from serving.channel import Credentials
from serving.errors import BenchError
from serving.wire.requests import MAX_MESSAGE_BYTES
from touchstone.moderation.v1 import listing_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceStub

_TIMEOUT_S = 60.0
_SELLERS = 997
_MOST_WAITING = 256  # answers that are waited for at a time; a sender never waits
_OPTIONS = [("grpc.max_send_message_length", MAX_MESSAGE_BYTES), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]


class Load:
    """Puts load on the service at `target`, "host:port"; each window goes on where the last one ended."""

    def __init__(self, photos: Sequence[BenchPhoto], target: str, credentials: Credentials, *, in_flight: int) -> None:
        self._photos = photos
        self._target, self._credentials = target, credentials
        self._in_flight = in_flight
        self._numbers = count()
        self._random = np.random.default_rng(0)
        self._run = uuid.uuid4().hex[:8]  # listings of one run are none of another's

    def model(self) -> str:
        """Ask which model the service has. Raises grpc.RpcError."""
        with self._credentials.channel(self._target) as channel:
            stub = ModerationServiceStub(channel)
            return stub.GetCapabilities(pb.GetCapabilitiesRequest(), timeout=_TIMEOUT_S).model.fingerprint

    def measure(self, *, saturated_s: float, loaded_s: float, repeats: int) -> Service:
        """Measure `repeats` windows of each kind.

        Raises:
            grpc.RpcError: the first request was not answered.
            BenchError: nothing was answered within a window.

        """
        with self._credentials.channel(self._target, options=_OPTIONS) as channel:
            stub = ModerationServiceStub(channel)
            stub.ScreenListing(self._request(), timeout=_TIMEOUT_S)
            self._saturate(stub, saturated_s / 2)  # warms up: threads, caches, the first connection
            full = [self._saturate(stub, saturated_s) for _ in range(repeats)]
            rate = statistics.median(each.rate for each in full)
            loaded = [self._load(stub, loaded_s, LOAD * rate) for _ in range(repeats)]
        if not rate or not all(each.seconds for each in loaded):
            raise BenchError(f"{self._target} answered nothing for {saturated_s:g} s: see its log")
        return Service(
            img_s=rate,
            p50_ms=1_000 * statistics.median(percentile(each.seconds, 0.5) for each in loaded),
            p99_ms=1_000 * statistics.median(percentile(each.seconds, 0.99) for each in loaded),
            failed=sum(each.failed for each in (*full, *loaded)),
        )

    def _saturate(self, stub: ModerationServiceStub, seconds: float) -> _Window:
        """Keep `in_flight` requests under way for so long, and wait for the last answers; all of them count."""
        window = _Window()

        def one_after_another() -> None:
            while (due := time.perf_counter()) < window.opened + seconds:
                window.note(stub.ScreenListing.future(self._request(), timeout=_TIMEOUT_S), due)

        with ThreadPoolExecutor(self._in_flight) as pool:
            for running in [pool.submit(one_after_another) for _ in range(self._in_flight)]:
                running.result()
        return window

    def _load(self, stub: ModerationServiceStub, seconds: float, rate: float) -> _Window:
        """Send at random moments at `rate` a second; every answer counts, whenever it comes."""
        window = _Window()
        moments = window.opened + np.sort(self._random.uniform(0, seconds, max(1, round(rate * seconds))))

        with ThreadPoolExecutor(_MOST_WAITING) as pool:
            for moment in map(float, moments):
                time.sleep(max(0.0, moment - time.perf_counter()))
                asked = stub.ScreenListing.future(self._request(), timeout=_TIMEOUT_S)
                pool.submit(window.note, asked, moment)
        return window

    def _request(self) -> pb.ScreenListingRequest:
        number = next(self._numbers)
        photo = self._photos[number % len(self._photos)]
        listing = listing_pb2.Listing(
            listing_id=f"bench-{self._run}-{number}",
            images=[listing_pb2.Image(content=photo.content)],
            title="Jacket with pockets, black, size M",
            description="Worn twice, clean, from a home without pets. Ships tomorrow.",
            seller_id=f"bench-seller-{number % _SELLERS}",
            market="DE",
        )
        return pb.ScreenListingRequest(listing=listing, request_id=uuid.uuid4().hex)


class _Window:
    """What was answered from now on: seconds of each answer, and how many failed. Thread-safe."""

    def __init__(self) -> None:
        self.opened = self._closed = time.perf_counter()
        self.seconds: list[float] = []
        self.failed = 0
        self._noting = threading.Lock()

    @property
    def rate(self) -> float:
        """Answers a second, until the last one."""
        return len(self.seconds) / (self._closed - self.opened) if self.seconds else 0.0

    def note(self, asked: grpc.Future[pb.ScreenListingResponse], due: float) -> None:
        """Wait for an answer that was due at a moment of `perf_counter`."""
        try:
            asked.result()
        except grpc.RpcError:
            with self._noting:
                self.failed += 1
            return
        with self._noting:
            self._closed = time.perf_counter()
            self.seconds.append(self._closed - due)
