"""What does each rpc of BuyerService do? Limits how often an address asks; then `serving.buyer_answers`, on a thread.

Everybody may call. Answers are given at even times after a call began, so that how long one took tells nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from serving.access.caller import CALLING, Trust
from serving.access.client_address import address_of
from serving.access.rate_limits import RateLimit
from serving.buyer_answers import BuyerAnswers
from serving.report_bodies import AT_ONCE
from serving.servicers import deadline_of
from serving.settings import Settings
from serving.wire.advice import MAX_ITEMS
from serving.work import Turns, Work
from touchstone.moderation.v1 import buyer_service_pb2 as pb
from touchstone.moderation.v1.buyer_service_pb2_grpc import BuyerServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]

# Several times what looking a listing up takes.
STEP_S = 0.05
# Strangers leave the other threads to those who work here: so many calls at once, and so many may wait.
_ASKING, _MAY_ASK = 2, 64
# Reports are read and written with their photos, which takes longer; whose body was taken in may wait.
_FILING = 2
# A picture that is not remembered is read and drawn: so many at once, and so many may wait.
_DRAWING, _MAY_WAIT = 1, 16
# Whoever asks about a listing may be shown all pictures of the brand's advice.
PICTURES_PER_QUESTION = MAX_ITEMS
# Of a name that is asked about, so that what is remembered is bounded; longer ones are refused anyway.
_LONGEST = 520


@dataclass(frozen=True)
class BuyerLimits:
    """How often somebody may ask; for one event loop. `photo_bytes` is what all reports may bring in a day."""

    questions: RateLimit
    listings: RateLimit
    pictures: RateLimit
    reports: RateLimit
    photo_bytes: int
    trust: Trust

    @classmethod
    def of(cls, settings: Settings) -> BuyerLimits:
        """Make the limits that the settings say."""
        asked, of_one = settings.buyer_questions_per_minute, settings.buyer_questions_per_listing
        return cls(
            questions=RateLimit("questions came from this address", most=asked, within_s=60.0),
            listings=RateLimit("questions came about this listing", most=of_one, within_s=60.0),
            pictures=RateLimit(
                "pictures were asked for from this address", most=asked * PICTURES_PER_QUESTION, within_s=60.0
            ),
            reports=RateLimit("reports came from this address", most=settings.buyer_reports_per_hour, within_s=3600.0),
            photo_bytes=settings.buyer_photo_mib_per_day * 2**20,
            trust=settings.trust_caller,
        )

    def address(self, context: Context) -> str:
        """Return the address that a call counts for."""
        return address_of(context, self.trust)


class BuyerServicer(BuyerServiceServicer):
    """BuyerService, for everybody."""

    def __init__(self, answers: BuyerAnswers, work: Work, *, limits: BuyerLimits, max_deadline_s: float) -> None:
        self._answers = answers
        self._work = Turns(work, at_once=_ASKING, max_waiting=_MAY_ASK).run
        self._file = Turns(work, at_once=_FILING, max_waiting=AT_ONCE).run
        self._draw = Turns(work, at_once=_DRAWING, max_waiting=_MAY_WAIT).run
        self._limits = limits
        self._max_deadline_s = max_deadline_s

    async def CheckListing(self, request: pb.CheckListingRequest, context: Context) -> pb.CheckListingResponse:  # noqa: N802
        """Say what the brand says."""
        async with evenly():
            self._limits.questions.take(self._limits.address(context))
            # By what is asked about, known or not.
            target = request.listing_id or f"{request.seller.brand_id}\0{request.seller.seller_id}"
            self._limits.listings.take(target[:_LONGEST])
            return await self._work(lambda: self._answers.check_listing(request))

    async def CheckSerial(self, request: pb.CheckSerialRequest, context: Context) -> pb.CheckSerialResponse:  # noqa: N802
        """Test a serial number."""
        async with evenly():
            self._limits.questions.take(self._limits.address(context))
            return await self._work(lambda: self._answers.check_serial(request))

    async def GetAdviceImage(self, request: pb.GetAdviceImageRequest, context: Context) -> pb.GetAdviceImageResponse:  # noqa: N802
        """Return a picture."""
        self._limits.pictures.take(self._limits.address(context))
        return await self._draw(lambda: self._answers.advice_image(request))

    async def Report(self, request: pb.ReportRequest, context: Context) -> pb.ReportResponse:  # noqa: N802
        """Take in a report."""
        async with evenly():
            caller, deadline = CALLING.get(), deadline_of(context, self._max_deadline_s)
            address, most = self._limits.address(context), self._limits.photo_bytes
            self._limits.reports.take(address)
            return await self._file(
                lambda: self._answers.report(request, caller, address=address, most_photo_bytes=most, deadline=deadline)
            )

    async def GetReport(self, request: pb.GetReportRequest, context: Context) -> pb.GetReportResponse:  # noqa: N802
        """Say what became of a report."""
        async with evenly():
            caller = CALLING.get()
            self._limits.questions.take(self._limits.address(context))
            return await self._work(lambda: self._answers.get_report(request, caller))


@asynccontextmanager
async def evenly(step_s: float = STEP_S) -> AsyncIterator[None]:
    """Let a block end at a whole number of steps after it began, whatever comes of it."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        yield
    finally:
        steps = math.ceil((clock() - began) / step_s)
        await asyncio.sleep(max(0.0, began + max(1, steps) * step_s - clock()))
