"""What do 10,000 idle connections and 500 slow calls cost uploads? Their p99 may at most double."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from tests.integration.processes import Replica, replica
from tests.integration.support import PATIENCE_S, draw, listing
from tests.support.slow_clients import held
from touchstone.moderation.v1 import moderation_service_pb2 as pb

IDLE, SLOW = 10_000, 500
CALLS, ROUNDS = 150, 3
SCREEN = "/touchstone.moderation.v1.ModerationService/ScreenListing"


def took_ms(server: Replica, calls: int = CALLS) -> list[float]:
    """Upload one listing after the other; return how long each took, in milliseconds."""
    request = pb.ScreenListingRequest(listing=listing(draw(9, edge=200)))
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        server.stub.ScreenListing(request, timeout=PATIENCE_S)
        times.append((time.perf_counter() - start) * 1_000)
    return times


@pytest.mark.measure
async def test_idle_and_slow_connections_at_most_double_the_p99(tmp_path: Path) -> None:
    """Measured before, while and after they are there, on one server; needs `ulimit -n` of 12,000."""
    with replica(tmp_path, message_within_s=120.0, max_calls=2_000) as server:
        port = int(server.target.rpartition(":")[2])
        await asyncio.to_thread(took_ms, server, 50)
        before, during = [], []
        for _ in range(ROUNDS):
            before += await asyncio.to_thread(took_ms, server)
            async with held(port, idle=IDLE, slow=SLOW, path=SCREEN) as connections:
                during += await asyncio.to_thread(took_ms, server)
                still_open = connections.open

    quiet, busy = (np.percentile(times, [50, 99]) for times in (before, during))
    print(f"alone: p50 {quiet[0]:.1f} ms, p99 {quiet[1]:.1f} ms")
    print(f"beside {IDLE:,} idle and {SLOW} slow: p50 {busy[0]:.1f} ms, p99 {busy[1]:.1f} ms ({still_open:,} open)")
    assert still_open >= IDLE + SLOW - 10
    assert busy[1] <= 2 * quiet[1]
