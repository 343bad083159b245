"""What does each rpc of PortalService do? Who calls, and then answers on a worker thread."""

from __future__ import annotations

from typing import Any

import grpc

from serving.access.caller import CALLING
from serving.application_answers import ApplicationAnswers
from serving.portal_answers import PortalAnswers
from serving.work import Work
from touchstone.moderation.v1 import brand_portal_service_pb2 as pb
from touchstone.moderation.v1.brand_portal_service_pb2_grpc import PortalServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]


class PortalServicer(PortalServiceServicer):
    """PortalService, for callers whom `serving.access.admission` let in."""

    def __init__(self, portal: PortalAnswers, applications: ApplicationAnswers, work: Work) -> None:
        self._portal = portal
        self._applications = applications
        self._work = work.run

    async def GetPortal(self, request: pb.GetPortalRequest, context: Context) -> pb.GetPortalResponse:  # noqa: ARG002, N802
        """Give a brand's figures."""
        caller = CALLING.get()
        return await self._work(lambda: self._portal.get(request, caller))

    async def ListNotices(self, request: pb.ListNoticesRequest, context: Context) -> pb.ListNoticesResponse:  # noqa: ARG002, N802
        """List a page of notices."""
        caller = CALLING.get()
        return await self._work(lambda: self._portal.notices(request, caller))

    async def ListHits(self, request: pb.ListHitsRequest, context: Context) -> pb.ListHitsResponse:  # noqa: ARG002, N802
        """List a page of hits."""
        caller = CALLING.get()
        return await self._work(lambda: self._portal.hits(request, caller))

    async def ApplyForBrand(self, request: pb.ApplyForBrandRequest, context: Context) -> pb.ApplyForBrandResponse:  # noqa: ARG002, N802
        """Take in an application."""
        caller = CALLING.get()
        return await self._work(lambda: self._applications.apply(request, caller))

    async def ListApplications(  # noqa: N802
        self,
        request: pb.ListApplicationsRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.ListApplicationsResponse:
        """List a page of applications."""
        caller = CALLING.get()
        return await self._work(lambda: self._applications.list(request, caller))

    async def DecideApplication(  # noqa: N802
        self,
        request: pb.DecideApplicationRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.DecideApplicationResponse:
        """Decide on an application."""
        caller = CALLING.get()
        return await self._work(lambda: self._applications.decide(request, caller))
