"""Do connections that do nothing, and calls whose message trickles, hold up those who work? In small.

The figures are `tests/bench/test_connections.py`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes import Replica, replica
from tests.integration.support import PATIENCE_S, listing
from tests.support.slow_clients import held
from touchstone.moderation.v1 import moderation_service_pb2 as pb

SCREEN = "/touchstone.moderation.v1.ModerationService/ScreenListing"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """Serve in a process of its own, patient with nobody."""
    limits = {"message_within_s": 1.0, "connection_idle_s": 1.0, "max_calls": 40}
    with replica(tmp_path_factory.mktemp("idle"), **limits) as running:
        yield running


def screened(server: Replica) -> bool:
    """Have a listing screened."""
    request = pb.ScreenListingRequest(listing=listing())
    return bool(server.stub.ScreenListing(request, timeout=PATIENCE_S, wait_for_ready=True).decision)


async def test_idle_and_slow_connections_hold_nobody_up_and_are_ended(server: Replica) -> None:
    """200 idle connections and 30 slow calls: listings are screened, and all of them are gone a moment later."""
    port = int(server.target.rpartition(":")[2])

    async with held(port, idle=200, slow=30, path=SCREEN) as connections:
        answered = [await asyncio.to_thread(screened, server) for _ in range(5)]
        for _ in range(round(PATIENCE_S / 0.1)):
            if not connections.open:
                break
            await asyncio.sleep(0.1)
        left = connections.open

    assert answered == [True] * 5
    assert left == 0


async def test_more_slow_calls_than_there_may_be_open_leave_the_server_answering(server: Replica) -> None:
    """Of 60 slow calls 40 may be open; those over it are refused, and once they are given up there is room again."""
    port = int(server.target.rpartition(":")[2])

    async with held(port, idle=0, slow=60, path=SCREEN):
        await asyncio.sleep(2.5)  # they are given up after a second
        answered = await asyncio.to_thread(screened, server)

    assert answered
    assert server.process.alive


def test_the_server_is_well_afterwards(server: Replica, tmp_path: Path) -> None:
    """Nothing of it is left behind: the next listing is screened."""
    assert screened(server)
