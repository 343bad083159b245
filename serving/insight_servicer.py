"""What does each rpc of InsightService do? Who calls, and then `serving.insight_answers` on a worker thread.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
"""

from __future__ import annotations

from typing import Any

import grpc

from serving.access.caller import CALLING
from serving.insight_answers import InsightAnswers
from serving.work import Work
from touchstone.moderation.v1 import insight_service_pb2 as pb
from touchstone.moderation.v1.insight_service_pb2_grpc import InsightServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class InsightServicer(InsightServiceServicer):
    """InsightService, for callers whom `serving.access.admission` let in."""

    def __init__(self, answers: InsightAnswers, work: Work) -> None:
        self._answers = answers
        self._work = work.run

    async def GetVolumes(self, request: pb.GetVolumesRequest, context: Context) -> pb.GetVolumesResponse:  # noqa: ARG002, N802
        """Count what happened."""
        return await self._work(lambda: self._answers.volumes(request))

    async def GetPrecision(self, request: pb.GetPrecisionRequest, context: Context) -> pb.GetPrecisionResponse:  # noqa: ARG002, N802
        """Say what audits say."""
        return await self._work(lambda: self._answers.precision(request))

    async def GetCalibration(self, request: pb.GetCalibrationRequest, context: Context) -> pb.GetCalibrationResponse:  # noqa: ARG002, N802
        """Compare probabilities with what people found."""
        return await self._work(lambda: self._answers.calibration(request))

    async def ListThresholds(self, request: pb.ListThresholdsRequest, context: Context) -> pb.ListThresholdsResponse:  # noqa: ARG002, N802
        """Say from which probability on listings are taken down."""
        return await self._work(lambda: self._answers.thresholds(request))

    async def GetDrift(self, request: pb.GetDriftRequest, context: Context) -> pb.GetDriftResponse:  # noqa: ARG002, N802
        """Compare scores and prices with a reference."""
        return await self._work(lambda: self._answers.drift(request))

    async def GetQueue(self, request: pb.GetQueueRequest, context: Context) -> pb.GetQueueResponse:  # noqa: ARG002, N802
        """Count the queue."""
        return await self._work(lambda: self._answers.queue(request))

    async def ListReviewers(self, request: pb.ListReviewersRequest, context: Context) -> pb.ListReviewersResponse:  # noqa: ARG002, N802
        """List who decided."""
        return await self._work(lambda: self._answers.list_reviewers(request))

    async def GetReviewer(self, request: pb.GetReviewerRequest, context: Context) -> pb.GetReviewerResponse:  # noqa: ARG002, N802
        """Say how somebody decides."""
        caller = CALLING.get()
        return await self._work(lambda: self._answers.reviewer(request, caller))

    async def GetSeller(self, request: pb.GetSellerRequest, context: Context) -> pb.GetSellerResponse:  # noqa: ARG002, N802
        """Return a seller's record."""
        caller = CALLING.get()
        return await self._work(lambda: self._answers.seller(request, caller))
