"""How are many listings screened over one stream? Each answered by itself, at the pace of the service."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import grpc
from google.rpc.error_details_pb2 import BadRequest

from serving.streams import Interrupted, answer_each
from tests.integration.held import Held, holding
from tests.integration.support import PATIENCE_S, Service, Start, codes, draw, listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb


def test_a_bad_item_does_not_end_the_stream(service: Service) -> None:
    """Each request of a stream is answered once, under its position and ids; a bad one by its own status."""
    offers = [listing(listing_id="good"), listing(b"x", listing_id="blind"), listing(listing_id="bad", market="??")]
    requests = [pb.ScreenListingsRequest(listing=offer, request_id=f"stream-{offer.listing_id}") for offer in offers]

    answers = {answer.sequence: answer for answer in service.stub.ScreenListings(iter(requests), timeout=PATIENCE_S)}

    assert sorted(answers) == [0, 1, 2]
    assert [answers[n].listing_id for n in range(3)] == ["good", "blind", "bad"]
    assert [answers[n].request_id for n in range(3)] == ["stream-good", "stream-blind", "stream-bad"]
    assert answers[0].decision.verdict == decision_pb2.VERDICT_ALLOW
    assert codes(answers[1].decision) >= {"IMAGES_UNREADABLE"}
    assert answers[2].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    violations = BadRequest()
    assert answers[2].error.details[0].Unpack(violations)
    assert violations.field_violations[0].field == "listing.market"


def test_a_stream_sent_again_yields_the_same_decisions(service: Service) -> None:
    """Items keep their keys across streams: what was answered before is not decided anew."""
    requests = [pb.ScreenListingsRequest(listing=listing(listing_id=f"r{n}"), request_id=f"r{n}") for n in range(5)]

    first = {a.request_id: a.decision for a in service.stub.ScreenListings(iter(requests), timeout=PATIENCE_S)}
    again = {a.request_id: a.decision for a in service.stub.ScreenListings(iter(requests), timeout=PATIENCE_S)}

    assert len(first) == 5
    assert again == first


def test_a_fast_writer_is_slowed_down(held: Held, start: Start) -> None:
    """While nothing is answered the server stops reading, so the client cannot send on; then everything is answered."""
    photo = draw(9, kind="JPEG") + bytes(2**20)  # a megabyte each, so that buffers on the way are soon full
    far = threading.Event()

    def offers() -> Iterator[pb.ScreenListingsRequest]:
        for number in range(48):
            if number == 40:
                far.set()
            yield pb.ScreenListingsRequest(listing=listing(photo, listing_id=f"b{number}"))

    with start(held.application) as service:
        with holding(held.embedder):
            answers = service.stub.ScreenListings(offers(), timeout=PATIENCE_S)
            assert held.embedder.reached.wait(PATIENCE_S)
            assert not far.wait(1.0)
        decided = list(answers)

    assert sorted(answer.sequence for answer in decided) == list(range(48))
    assert all(answer.HasField("decision") for answer in decided)


async def test_only_so_many_items_are_in_work_at_once() -> None:
    """No more than `at_once` requests are answered at a time, and reading is one ahead at most."""
    taken: list[int] = []
    gate, full = asyncio.Event(), asyncio.Event()
    working: set[int] = set()

    async def requests() -> AsyncIterator[int]:
        for number in range(9):
            taken.append(number)
            yield number

    async def answer(position: int, request: int) -> int:
        working.add(position)
        if len(working) == 3:
            full.set()
        await gate.wait()
        working.discard(position)
        return request

    async def collect() -> list[int]:
        return [each async for each in answer_each(requests(), answer, at_once=3, stop=asyncio.Event())]

    collecting = asyncio.create_task(collect())
    await full.wait()
    seen = len(taken)
    gate.set()

    assert seen <= 4
    assert sorted(await collecting) == list(range(9))


async def test_a_stopped_stream_answers_what_it_took() -> None:
    """When the server drains, items in work are answered, no more are read, and the end says that there was a rest."""
    gate, stop, working = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def requests() -> AsyncIterator[str]:
        yield "taken"
        await stop.wait()
        await asyncio.Event().wait()  # a client that keeps its stream open

    async def answer(_: int, request: str) -> str:
        working.set()
        await gate.wait()
        return request

    async def collect() -> list[str]:
        answers = []
        try:
            async for each in answer_each(requests(), answer, at_once=3, stop=stop):
                answers.append(each)
        except Interrupted:
            answers.append("interrupted")
        return answers

    collecting = asyncio.create_task(collect())
    await working.wait()
    stop.set()
    gate.set()

    assert await asyncio.wait_for(collecting, PATIENCE_S) == ["taken", "interrupted"]
