"""Do buyers' calls of one kind leave those of another alone? The servicer with answers that take as long as wanted."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from serving.access.caller import CALLING, NOBODY
from serving.buyer_servicer import PICTURES_PER_QUESTION, BuyerLimits, BuyerServicer
from serving.errors import Overloaded
from serving.settings import Settings
from serving.work import Work
from touchstone.moderation.v1 import buyer_service_pb2 as pb

PATIENCE_S = 20.0


class SlowQuestions:
    """Answers reports and pictures at once, and questions when it is told to."""

    def __init__(self) -> None:
        self.begun, self.ending = threading.Semaphore(0), threading.Event()

    def check_listing(self, _request: pb.CheckListingRequest) -> pb.CheckListingResponse:
        """Answer late."""
        self.begun.release()
        self.ending.wait(PATIENCE_S)
        return pb.CheckListingResponse()

    def report(self, *_: object, **__: object) -> pb.ReportResponse:
        """Answer at once."""
        return pb.ReportResponse(report_id="r")

    def advice_image(self, _request: pb.GetAdviceImageRequest) -> pb.GetAdviceImageResponse:
        """Answer at once."""
        return pb.GetAdviceImageResponse()


class Call:
    """What a servicer asks of a call's context."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Tell nothing."""
        return ()

    def peer(self) -> str:
        """Tell who calls."""
        return "ipv4:192.0.2.1:4711"

    def time_remaining(self) -> None:
        """Tell of no deadline."""


def servicer(answers: SlowQuestions, threads: ThreadPoolExecutor, **settings: Any) -> BuyerServicer:
    """Make a servicer over fake answers."""
    limits = BuyerLimits.of(Settings(**settings))
    return BuyerServicer(answers, Work(threads, at_once=8, max_waiting=64), limits=limits, max_deadline_s=PATIENCE_S)  # type: ignore[arg-type]


async def test_questions_do_not_keep_a_report_waiting() -> None:
    """With more questions at work than may be at once, a report is still taken in."""
    answers, call = SlowQuestions(), Call()
    CALLING.set(NOBODY)
    with ThreadPoolExecutor(8) as threads:
        buyers = servicer(answers, threads)
        asking = [
            asyncio.create_task(buyers.CheckListing(pb.CheckListingRequest(listing_id="a"), call))  # type: ignore[arg-type]
            for _ in range(4)
        ]
        for _ in range(2):
            await asyncio.to_thread(answers.begun.acquire, timeout=PATIENCE_S)
        try:
            async with asyncio.timeout(PATIENCE_S / 2):
                taken = await buyers.Report(pb.ReportRequest(), call)  # type: ignore[arg-type]
        finally:
            answers.ending.set()
        await asyncio.gather(*asking)

    assert taken.report_id == "r"


async def test_pictures_are_no_questions() -> None:
    """A page with all pictures of an advice costs one question; of pictures there are so many to each question."""
    answers, call = SlowQuestions(), Call()
    answers.ending.set()
    with ThreadPoolExecutor(1) as threads:
        buyers = servicer(answers, threads, buyer_questions_per_minute=1)
        for _ in range(PICTURES_PER_QUESTION):
            await buyers.GetAdviceImage(pb.GetAdviceImageRequest(), call)  # type: ignore[arg-type]
        with pytest.raises(Overloaded, match="too many pictures"):
            await buyers.GetAdviceImage(pb.GetAdviceImageRequest(), call)  # type: ignore[arg-type]
        await buyers.CheckListing(pb.CheckListingRequest(listing_id="a"), call)  # type: ignore[arg-type]
        with pytest.raises(Overloaded, match="too many questions"):
            await buyers.CheckListing(pb.CheckListingRequest(listing_id="a"), call)  # type: ignore[arg-type]
