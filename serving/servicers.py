"""What does each rpc do? Thin: from protobuf to `serving.moderation` on a worker thread and back.

No blocking call runs on the event loop; deadlines travel as `Deadline`; errors are raised as they are and turned into
statuses by `serving.interceptor`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from index.decision_records import RemovalReason
from index.store.changes import EVENTS
from index.store.feed import ChangeFeed
from serving.access.caller import CALLING, Caller
from serving.deadline import Deadline
from serving.errors import FieldViolation, InvalidListing
from serving.interceptor import log_failure
from serving.limits.callers import CallerLimits
from serving.moderation import Moderation, ScreenRequest, event_of
from serving.status import to_status
from serving.streams import Interrupted, answer_each
from serving.wire.decision import from_image_result, from_visual_match
from serving.wire.requests import to_cursor, to_decision_id, to_image_query, to_removal
from serving.work import Work
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from touchstone.moderation.v1.moderation_service_pb2_grpc import ModerationServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

# The change feed wakes watchers; should it be cut off, they look this often.
_WATCH_POLL_S = 1.0
_WATCH_BATCH = 500


class ModerationServicer(ModerationServiceServicer):
    """ModerationService. `work` runs what blocks, `screening` listings; `in_stream` bounds a stream's items in flight.

    `describe` says who a caller is, `feed` tells watchers of events. Streams end when `draining` is set; requests that
    are in work are finished all the same.
    """

    def __init__(
        self,
        moderation: Moderation,
        capabilities: Callable[[], pb.GetCapabilitiesResponse],
        work: Work,
        *,
        limits: CallerLimits,
        screening: Work,
        describe: Callable[[Caller], pb.GetCallerResponse],
        feed: ChangeFeed,
        draining: asyncio.Event,
        max_deadline_s: float,
        in_stream: int = 8,
    ) -> None:
        self._moderation = moderation
        self._capabilities = capabilities
        self._describe = describe
        self._work = work.run
        self._limits = limits
        self._screening = screening.run
        self._max_deadline_s = max_deadline_s
        self._in_stream = in_stream
        self._feed = feed
        self._draining = draining

    async def ScreenListing(self, request: pb.ScreenListingRequest, context: Context) -> pb.ScreenListingResponse:  # noqa: N802
        """Screen one listing."""
        deadline = self._deadline(context)
        self._limits.screens(CALLING.get(), images=len(request.listing.images))
        decision = await self._screening(lambda: self._screen(request, deadline), deadline=deadline)
        return pb.ScreenListingResponse(decision=decision)

    async def ScreenListings(  # noqa: N802
        self, requests: AsyncIterator[pb.ScreenListingsRequest], context: Context
    ) -> AsyncIterator[pb.ScreenListingsResponse]:
        """Screen a stream: each item is answered when it is done; reading waits while `in_stream` are in flight."""

        async def answer(sequence: int, request: pb.ScreenListingsRequest) -> pb.ScreenListingsResponse:
            return await self._item(sequence, request, caller, self._deadline(context), context)

        caller = CALLING.get()

        try:
            async for response in answer_each(requests, answer, at_once=self._in_stream, stop=self._draining):
                yield response
        except Interrupted:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is draining; send what is unanswered again")

    async def WatchDecisions(  # noqa: N802
        self, request: pb.WatchDecisionsRequest, context: Context
    ) -> AsyncIterator[pb.WatchDecisionsResponse]:
        """Follow the outbox from the cursor on until the client leaves or the server drains."""
        cursor, store = to_cursor(request), self._moderation.store
        head = await asyncio.to_thread(store.event_head)
        if cursor is None:
            cursor = head if request.only_new else 0
        elif cursor > head:  # waiting for it would pass over every event up to there in silence
            raise InvalidListing((FieldViolation("cursor", f"{cursor} was never given; the newest is {head}"),))
        # Headers go out at once, so that the client knows it is connected before the first event.
        await context.send_initial_metadata(())
        news, loop = asyncio.Event(), asyncio.get_running_loop()
        with self._feed.calling(lambda: loop.call_soon_threadsafe(news.set), topic=EVENTS):
            while not self._draining.is_set():
                news.clear()  # before reading: an event that comes meanwhile sets it again
                events = await asyncio.to_thread(store.events_after, cursor, limit=_WATCH_BATCH)
                for event in events:
                    yield event_of(event)
                    cursor = event.cursor
                if not events:
                    await _either(news, self._draining, seconds=_WATCH_POLL_S)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is draining; resume with your last cursor")

    async def RemoveListing(self, request: pb.RemoveListingRequest, context: Context) -> pb.RemoveListingResponse:  # noqa: ARG002, N802
        """Record a removal."""
        removal = to_removal(request)
        done = await self._work(
            lambda: self._moderation.remove(removal.listing_id, RemovalReason[removal.reason], note=removal.note)
        )
        response = pb.RemoveListingResponse(listing_id=done.listing_id, known_image_count=len(done.images))
        response.remove_time.FromDatetime(done.remove_time)
        return response

    async def SearchImage(self, request: pb.SearchImageRequest, context: Context) -> pb.SearchImageResponse:  # noqa: N802
        """Search by image."""
        query, deadline = to_image_query(request), self._deadline(context)
        self._limits.screens(CALLING.get(), images=1)
        pipeline = self._moderation.pipeline
        result, matches, version = await self._work(
            lambda: pipeline.search_image(query.image, most=query.max_results, deadline=deadline), deadline=deadline
        )
        return pb.SearchImageResponse(
            matches=[from_visual_match(match) for match in matches],
            image_result=from_image_result(result),
            model_fingerprint=pipeline.embedder.fingerprint,
            index_version=version,
        )

    async def GetDecision(self, request: pb.GetDecisionRequest, context: Context) -> pb.GetDecisionResponse:  # noqa: ARG002, N802
        """Look a decision up."""
        decision_id = to_decision_id(request)
        return pb.GetDecisionResponse(decision=await self._work(lambda: self._moderation.decision(decision_id)))

    async def GetCapabilities(self, request: pb.GetCapabilitiesRequest, context: Context) -> pb.GetCapabilitiesResponse:  # noqa: ARG002, N802
        """Say what this server is."""
        return await self._work(self._capabilities)

    async def GetCaller(self, request: pb.GetCallerRequest, context: Context) -> pb.GetCallerResponse:  # noqa: ARG002, N802
        """Say who calls."""
        return self._describe(CALLING.get())

    async def _item(
        self, sequence: int, request: pb.ScreenListingsRequest, caller: Caller, deadline: Deadline, stream: object
    ) -> pb.ScreenListingsResponse:
        response = pb.ScreenListingsResponse(
            sequence=sequence, listing_id=request.listing.listing_id, request_id=request.request_id
        )
        try:
            self._limits.screens(caller, images=len(request.listing.images), streamed=True)
            decision = await self._screening(lambda: self._screen(request, deadline), rpc=stream, deadline=deadline)
            response.decision.CopyFrom(decision)
        except Exception as error:  # noqa: BLE001 - one item's failure is its own answer and must not end the stream
            log_failure("ScreenListings", error)
            response.error.CopyFrom(to_status(error))
        return response

    def _screen(self, request: ScreenRequest, deadline: Deadline) -> decision_pb2.Decision:
        with self._moderation.pipeline.telemetry.span("screen"):  # of a stream each item has its own
            return self._moderation.screen(request, deadline=deadline)

    def _deadline(self, context: Context) -> Deadline:
        return deadline_of(context, self._max_deadline_s)


def deadline_of(context: Context, most_s: float) -> Deadline:
    """Return when the call must be answered: by its own deadline, and within `most_s` seconds."""
    remaining = context.time_remaining()
    return Deadline.after(most_s if remaining is None else min(remaining, most_s))


async def _either(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of the events is set, but no longer than so many seconds."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
