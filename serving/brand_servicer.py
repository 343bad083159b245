"""What does each rpc of BrandService do? Who calls, until when, and then answers on a worker thread.

As in `serving.servicers`, nothing that blocks runs on the event loop, and errors are raised as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc

from serving.access.caller import CALLING, Caller
from serving.brand_answers import BrandAnswers
from serving.deadline import Deadline
from serving.find_answers import FindAnswers
from serving.limits.callers import CallerLimits
from serving.preview_answers import PreviewAnswers
from serving.reference_answers import ReferenceAnswers
from serving.servicers import deadline_of
from serving.streams import Interrupted
from serving.upload_streams import UploadStreams
from serving.work import Turns, Work
from touchstone.moderation.v1 import brand_service_pb2 as pb
from touchstone.moderation.v1.brand_service_pb2_grpc import BrandServiceServicer

# Previews and searches of the catalogue, which take long by what a caller sends: so many at once, and so many may wait.
_LOOKING, _MAY_WAIT = 2, 32

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True)
class RegistryAnswers:
    """All that BrandService answers, by what it is about."""

    brands: BrandAnswers
    references: ReferenceAnswers
    previews: PreviewAnswers
    listings: FindAnswers


class BrandServicer(BrandServiceServicer):
    """BrandService, for callers whom `serving.access.admission` let in."""

    def __init__(
        self,
        answers: RegistryAnswers,
        work: Work,
        *,
        limits: CallerLimits,
        draining: asyncio.Event,
        max_deadline_s: float,
    ) -> None:
        self._answers = answers
        self._uploads = UploadStreams(
            answers.references, work, charge=limits.uploads, draining=draining, patience_s=max_deadline_s
        )
        self._work = work.run
        self._look = Turns(work, at_once=_LOOKING, max_waiting=_MAY_WAIT).run
        self._max_deadline_s = max_deadline_s

    async def CreateBrand(self, request: pb.CreateBrandRequest, context: Context) -> pb.CreateBrandResponse:  # noqa: N802
        """Create a brand."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.create(request, caller))

    async def GetBrand(self, request: pb.GetBrandRequest, context: Context) -> pb.GetBrandResponse:  # noqa: N802
        """Look a brand up."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.get(request, caller))

    async def ListBrands(self, request: pb.ListBrandsRequest, context: Context) -> pb.ListBrandsResponse:  # noqa: N802
        """List a page of brands."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.list(request, caller))

    async def UpdateBrand(self, request: pb.UpdateBrandRequest, context: Context) -> pb.UpdateBrandResponse:  # noqa: N802
        """Change a brand."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.update(request, caller))

    async def UploadReference(  # noqa: N802
        self, requests: AsyncIterator[pb.UploadReferenceRequest], context: Context
    ) -> pb.UploadReferenceResponse:
        """Take references in."""
        caller = self._caller(context)
        try:
            return await self._uploads.answer(requests, caller, lambda: self._deadline(context))
        except Interrupted:
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, "the server is draining; send the batch again with the same request_ids"
            )

    async def ListReferences(self, request: pb.ListReferencesRequest, context: Context) -> pb.ListReferencesResponse:  # noqa: N802
        """List a page of references."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.references.list(request, caller))

    async def ReviewReference(  # noqa: N802
        self, request: pb.ReviewReferenceRequest, context: Context
    ) -> pb.ReviewReferenceResponse:
        """Decide on a reference."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.references.review(request, caller))

    async def RetireReference(  # noqa: N802
        self, request: pb.RetireReferenceRequest, context: Context
    ) -> pb.RetireReferenceResponse:
        """Retire a reference."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.references.retire(request, caller))

    async def PreviewReference(  # noqa: N802
        self, request: pb.PreviewReferenceRequest, context: Context
    ) -> pb.PreviewReferenceResponse:
        """Say what a reference would hit."""
        caller, deadline = self._caller(context), self._deadline(context)
        return await self._look(lambda: self._answers.previews.preview(request, caller, deadline=deadline))

    async def FindListings(self, request: pb.FindListingsRequest, context: Context) -> pb.FindListingsResponse:  # noqa: N802
        """Find listings that look alike."""
        caller, deadline = self._caller(context), self._deadline(context)
        return await self._look(lambda: self._answers.listings.find(request, caller, deadline=deadline))

    async def SetAuthorizedSellers(  # noqa: N802
        self, request: pb.SetAuthorizedSellersRequest, context: Context
    ) -> pb.SetAuthorizedSellersResponse:
        """Replace the list of authorised sellers."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.set_authorized_sellers(request, caller))

    async def SetPriceBands(self, request: pb.SetPriceBandsRequest, context: Context) -> pb.SetPriceBandsResponse:  # noqa: N802
        """Replace the price bands."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.set_price_bands(request, caller))

    async def SetBuyerAdvice(self, request: pb.SetBuyerAdviceRequest, context: Context) -> pb.SetBuyerAdviceResponse:  # noqa: N802
        """Replace the advice to buyers."""
        caller = self._caller(context)
        return await self._work(lambda: self._answers.brands.set_buyer_advice(request, caller))

    def _caller(self, _context: Context) -> Caller:
        return CALLING.get()

    def _deadline(self, context: Context) -> Deadline:
        return deadline_of(context, self._max_deadline_s)
