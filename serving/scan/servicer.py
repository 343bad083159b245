"""What does each rpc of ScanService do? Who calls, until when, and then `serving.scan.answers` on a worker thread.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc

from serving.access.caller import CALLING
from serving.limits.callers import CallerLimits
from serving.scan.answers import ScanAnswers
from serving.servicers import deadline_of
from serving.wire.scan import from_scan, to_scan_id
from serving.work import Turns, Work
from touchstone.moderation.v1 import scan_service_pb2 as pb
from touchstone.moderation.v1.scan_service_pb2_grpc import ScanServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

# Planning reads a source to its end: one at a time, and so many may wait.
_PLANNING, _MAY_WAIT = 1, 8
# Watchers are sent no more than one message a second.
_WATCH_S = 1.0


class ScanServicer(ScanServiceServicer):
    """ScanService, for callers whom `serving.access.admission` let in."""

    def __init__(
        self,
        answers: ScanAnswers,
        work: Work,
        *,
        limits: CallerLimits,
        draining: asyncio.Event,
        max_deadline_s: float,
    ) -> None:
        self._answers = answers
        self._work = work.run
        self._plan = Turns(work, at_once=_PLANNING, max_waiting=_MAY_WAIT).run
        self._limits = limits
        self._draining = draining
        self._max_deadline_s = max_deadline_s

    async def StartScan(self, request: pb.StartScanRequest, context: Context) -> pb.StartScanResponse:  # noqa: N802
        """Plan and start a scan, or resume one."""
        caller, deadline = CALLING.get(), deadline_of(context, self._max_deadline_s)
        self._limits.starts_scan(caller)
        return await self._plan(lambda: self._answers.start(request, caller, deadline=deadline))

    async def GetScan(self, request: pb.GetScanRequest, context: Context) -> pb.GetScanResponse:  # noqa: ARG002, N802
        """Look a scan up."""
        return await self._work(lambda: self._answers.get(request))

    async def WatchScan(self, request: pb.WatchScanRequest, context: Context) -> AsyncIterator[pb.WatchScanResponse]:  # noqa: N802
        """Follow a scan until it ends, the client leaves or the server drains."""
        scan_id, sent = to_scan_id(request), -1
        while True:
            # Whoever works on it may be another server: the store is where both meet.
            scan = await asyncio.to_thread(self._answers.store.get_scan, scan_id)
            if scan.revision != sent:
                yield pb.WatchScanResponse(scan=from_scan(scan))
                sent = scan.revision
            if scan.ended:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._draining.wait(), _WATCH_S)
            if self._draining.is_set():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "the server is draining; watch it elsewhere, or again")

    async def CancelScan(self, request: pb.CancelScanRequest, context: Context) -> pb.CancelScanResponse:  # noqa: ARG002, N802
        """Ask a scan to stop."""
        return await self._work(lambda: self._answers.cancel(request))
