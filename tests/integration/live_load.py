"""How soon does every replica match what a brand owner uploads? Uploads into replicas that are busy screening.

`measure` uploads references one after the other, and asks each replica from the acknowledgement on until it names the
reference, while listings are screened at a steady rate; it counts every request that failed.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from tests.integration.support import draw, listing
from touchstone.moderation.v1 import brand_pb2, brand_service_pb2, evidence_pb2, listing_pb2
from touchstone.moderation.v1 import brand_service_pb2_grpc as brand_grpc
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1 import moderation_service_pb2_grpc as moderation_grpc

BRAND_ID = "live"
# Small photos: what is measured is how changes spread, not how photos are decoded.
_EDGE = 96
_PHOTOS = 50
_PATIENCE_S = 30.0
_ASK_AGAIN_S = 0.03
# References are drawn from other seeds than the photos of listings.
_FIRST_REFERENCE = 100_000


@dataclass
class Figures:
    """What was measured: seconds for each upload and, by replica, from its acknowledgement to the first match."""

    upload_s: list[float] = field(default_factory=list)
    match_s: list[list[float]] = field(default_factory=list)
    screened: int = 0
    failures: list[str] = field(default_factory=list)
    elapsed_s: float = 0.0

    def __str__(self) -> str:
        matches = [
            f"replica {number}: p50 {percentile(seconds, 0.5):.3f} s, p99 {percentile(seconds, 0.99):.3f} s"
            for number, seconds in enumerate(self.match_s)
        ]
        return (
            f"{len(self.upload_s)} uploads acknowledged in p50 {percentile(self.upload_s, 0.5):.3f} s, "
            f"p99 {percentile(self.upload_s, 0.99):.3f} s; from there to a match, {'; '.join(matches)}; "
            f"{self.screened / self.elapsed_s:.1f} listings/s screened, {len(self.failures)} requests failed"
        )


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of the values that at least `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


async def measure(targets: Sequence[str], *, uploads: int, listings_per_s: float) -> Figures:
    """Upload `uploads` references to the replicas at `targets` in turn, each once the one before is matched by all."""
    figures = Figures(match_s=[[] for _ in targets])
    async with _channels(targets) as channels:
        await brand_grpc.BrandServiceStub(channels[0]).CreateBrand(
            brand_service_pb2.CreateBrandRequest(brand=brand_pb2.Brand(brand_id=BRAND_ID, name="Live")),
            timeout=_PATIENCE_S,
        )
        began, done = time.perf_counter(), asyncio.Event()
        screening = asyncio.create_task(_screen_steadily(channels, listings_per_s, done, figures))
        for number in range(uploads):
            await _upload_and_wait(channels, number, figures)
        done.set()
        await screening
        figures.elapsed_s = time.perf_counter() - began
    return figures


@asynccontextmanager
async def _channels(targets: Sequence[str]) -> AsyncIterator[list[grpc.aio.Channel]]:
    channels = [grpc.aio.insecure_channel(target) for target in targets]
    try:
        yield channels
    finally:
        for channel in channels:
            await channel.close()


async def upload(channel: grpc.aio.Channel, picture: bytes, *, request_id: str = "") -> brand_pb2.Reference:
    """Upload one picture as a product of the brand, and return the reference that was acknowledged."""
    header = brand_service_pb2.UploadReferenceHeader(
        brand_id=BRAND_ID, kind=evidence_pb2.REFERENCE_KIND_PRODUCT, request_id=request_id
    )
    parts = [
        brand_service_pb2.UploadReferenceRequest(header=header),
        brand_service_pb2.UploadReferenceRequest(chunk=picture),
    ]
    response = await brand_grpc.BrandServiceStub(channel).UploadReference(iter(parts), timeout=_PATIENCE_S)
    (result,) = response.results
    if result.WhichOneof("result") != "reference":
        raise AssertionError(f"the upload was refused: {result.error}")
    return result.reference


async def _upload_and_wait(channels: Sequence[grpc.aio.Channel], number: int, figures: Figures) -> None:
    picture = draw(_FIRST_REFERENCE + number, edge=_EDGE)
    began = time.perf_counter()
    reference = await upload(channels[number % len(channels)], picture)
    acknowledged = time.perf_counter()
    figures.upload_s.append(acknowledged - began)
    seen = await asyncio.gather(*(_first_match(channel, picture, reference.reference_id) for channel in channels))
    for replica, moment in enumerate(seen):
        figures.match_s[replica].append(moment - acknowledged)


async def _first_match(channel: grpc.aio.Channel, picture: bytes, reference_id: str) -> float:
    """Ask until a replica names the reference, and return when it did: the last question's own time is in it."""
    stub = moderation_grpc.ModerationServiceStub(channel)
    request = pb.SearchImageRequest(image=listing_pb2.Image(content=picture), max_results=1)
    given_up = time.perf_counter() + _PATIENCE_S
    while time.perf_counter() < given_up:
        response = await stub.SearchImage(request, timeout=_PATIENCE_S)
        if any(match.reference_id == reference_id for match in response.matches):
            return time.perf_counter()
        await asyncio.sleep(_ASK_AGAIN_S)
    raise AssertionError(f"no match of {reference_id} within {_PATIENCE_S} s")


async def _screen_steadily(
    channels: Sequence[grpc.aio.Channel], per_s: float, done: asyncio.Event, figures: Figures
) -> None:
    """Send listings at fixed times, however long the answers take: a slow service gets no relief."""
    photos = [draw(seed, edge=_EDGE) for seed in range(_PHOTOS)]
    stubs = [moderation_grpc.ModerationServiceStub(channel) for channel in channels]
    began, sent, under_way = time.perf_counter(), 0, set[asyncio.Task[None]]()
    while not done.is_set():
        offer = listing(photos[sent % _PHOTOS], listing_id=f"live-{sent}", title="A bag", seller_id=f"s{sent % 97}")
        task = asyncio.create_task(_screen(stubs[sent % len(stubs)], offer, figures))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        sent += 1
        await asyncio.sleep(max(0.0, began + sent / per_s - time.perf_counter()))
    await asyncio.gather(*under_way)


async def _screen(
    stub: moderation_grpc.ModerationServiceAsyncStub, offer: listing_pb2.Listing, figures: Figures
) -> None:
    try:
        await stub.ScreenListing(pb.ScreenListingRequest(listing=offer), timeout=_PATIENCE_S)
        figures.screened += 1
    except grpc.aio.AioRpcError as error:
        figures.failures.append(f"{error.code()}: {error.details()}")
