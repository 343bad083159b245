"""Is a report's message read only where there is a place for it? A server with the interceptor around a servicer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_status import rpc_status

from serving.access.client_address import CLIENT
from serving.errors import DeadlineExceeded, InvalidListing
from serving.interceptor import Context, StatusInterceptor
from serving.limits.messages import only
from serving.report_bodies import ReportBodies
from touchstone.moderation.v1 import buyer_service_pb2 as pb
from touchstone.moderation.v1.buyer_service_pb2_grpc import BuyerServiceStub
from touchstone.moderation.v1.listing_pb2 import Image

PATIENCE_S = 20.0


class Desk:
    """Takes reports in when it is told to, and answers questions about them at once."""

    def __init__(self) -> None:
        self.begun, self.ending = asyncio.Semaphore(0), asyncio.Event()

    async def report(self, request: pb.ReportRequest, _context: Context) -> pb.ReportResponse:
        """Answer with the size of the photos."""
        self.begun.release()
        await self.ending.wait()
        return pb.ReportResponse(report_id=str(sum(len(image.content) for image in request.images)))

    async def get_report(self, request: pb.GetReportRequest, _context: Context) -> pb.GetReportResponse:
        """Give back the id that is asked about."""
        return pb.GetReportResponse(report_id=request.report_id)

    def handler(self) -> Any:
        """Make what a server answers by."""
        answers: dict[str, tuple[Any, Any]] = {
            "Report": (self.report, pb.ReportRequest),
            "GetReport": (self.get_report, pb.GetReportRequest),
        }
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(answer, kind.FromString, lambda made: made.SerializeToString())
            for name, (answer, kind) in answers.items()
        }
        service = pb.DESCRIPTOR.services_by_name["BuyerService"].full_name
        return grpc.method_handlers_generic_handler(service, handlers)


@asynccontextmanager
async def served(desk: Desk, *, at_once: int, of_one: int) -> AsyncIterator[Any]:
    """Serve a desk behind the interceptor."""
    bodies = ReportBodies("always", at_once=at_once, of_one=of_one)
    size = [("grpc.max_receive_message_length", 64 * 2**20)]
    server = grpc.aio.server(interceptors=[bodies, StatusInterceptor()], options=size)
    server.add_generic_rpc_handlers((desk.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield BuyerServiceStub(channel)
    finally:
        await server.stop(None)


def report(stub: Any, address: str, *, size: int = 8) -> Any:
    """Send a report from an address with a photo of so many bytes."""
    request = pb.ReportRequest(images=[Image(content=bytes(size))])
    return stub.Report(request, timeout=PATIENCE_S, metadata=((CLIENT, address),))


async def test_one_address_leaves_room_for_another_and_all_for_nobody_more() -> None:
    """While a report is under way its address is refused another, the next is let in, and a third finds no place."""
    desk = Desk()
    async with served(desk, at_once=2, of_one=1) as stub:
        first = report(stub, "192.0.2.1")
        await desk.begun.acquire()
        with pytest.raises(grpc.aio.AioRpcError) as same:
            await report(stub, "192.0.2.1")
        second = report(stub, "192.0.2.2")
        await desk.begun.acquire()
        with pytest.raises(grpc.aio.AioRpcError) as third:
            await report(stub, "192.0.2.3")
        asked = await stub.GetReport(pb.GetReportRequest(report_id="r"), timeout=PATIENCE_S)
        desk.ending.set()
        answers = [(await call).report_id for call in (first, second)]
        again = await report(stub, "192.0.2.1")

    assert (answers, again.report_id, asked.report_id) == (["8", "8"], "8", "r")
    for refused, said in ((same, "from your address"), (third, "2 reports are being taken in already")):
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert said in str(refused.value.details())
        status = rpc_status.from_call(refused.value)
        assert status is not None
        assert any(detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details)


async def test_a_large_one_without_a_place_is_refused_unread() -> None:
    """Nothing of it reaches whoever answers, and the client learns why."""
    async with served(Desk(), at_once=0, of_one=0) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await report(stub, "192.0.2.1", size=24 * 2**20)

    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_large_one_arrives_whole() -> None:
    """As much as a report may have."""
    desk = Desk()
    desk.ending.set()
    async with served(desk, at_once=1, of_one=1) as stub:
        answer = await report(stub, "192.0.2.1", size=24 * 2**20)

    assert answer.report_id == str(24 * 2**20)


async def test_one_that_does_not_arrive_is_given_up() -> None:
    """Neither a message that never comes nor a call without one holds its place."""

    async def never() -> AsyncIterator[pb.ReportRequest]:
        await asyncio.Event().wait()
        yield pb.ReportRequest()

    async def nothing() -> AsyncIterator[pb.ReportRequest]:
        sent: tuple[pb.ReportRequest, ...] = ()
        for request in sent:
            yield request

    with pytest.raises(DeadlineExceeded, match="did not arrive"):
        await only(never(), within_s=0.01)
    with pytest.raises(InvalidListing):
        await only(nothing(), within_s=PATIENCE_S)
