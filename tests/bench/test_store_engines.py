"""How fast are both databases where it matters? Commits, reads, and how soon a change is heard of (`pytest -s`)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore

import pytest

from index.records import ReferenceState
from index.refresh import Holder
from index.store.changes import CHANGES
from index.store.store import Store
from tests.contract.test_store import ACME, a_reference
from tests.contract.test_store_decisions import PHOTOS, a_case, a_decision
from tests.support.postgres import postgres_server

COMMITS, READS, RENEWALS = 400, 1_000, 200


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    """Name an empty database of each kind; the server writes as it does in earnest."""
    if request.param == "sqlite":
        yield tmp_path / "store.db"
        return
    with postgres_server(durable=True) as server:
        yield server.url(server.create())


def percentiles(seconds: list[float]) -> str:
    """Say the median and the 99th percentile in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms"


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


@pytest.mark.measure
def test_engine_speed(place: str | Path) -> None:
    """Decisions with their case, photos and event are committed and read; a retirement renews a holder elsewhere."""
    with Store.open(place) as store, Store.open(place) as replica:
        kind = store.condition().engine

        def record(number: int) -> None:
            mine = a_decision(f"d{number}", key=f"k{number}")
            store.record_decision(mine, case=a_case(mine), images=PHOTOS)

        for threads in (1, 8):
            with ThreadPoolExecutor(threads) as pool:
                numbers = range(threads * 10_000, threads * 10_000 + COMMITS)
                took = timed(lambda pool=pool, numbers=numbers: list(pool.map(record, numbers)))  # type: ignore[misc]
            print(f"{kind}: {COMMITS / took:.0f} decisions/s committed from {threads} threads")
        reads = [timed(lambda: store.get_decision("d10000")) for _ in range(READS)]
        print(f"{kind}: a decision read by its id: {percentiles(reads)}")
        delays = renewals(store, replica)
        print(f"{kind}: from a commit to the renewal of another process's holder: {percentiles(delays)}")

    assert len(delays) == RENEWALS
    assert max(delays) < 1.0


def renewals(store: Store, replica: Store) -> list[float]:
    """Retire and activate a reference, each time that the replica has heard of the last change; give the delays."""
    store.put_brands([ACME])
    store.add_references([(a_reference("r"), [])])
    heard, delays = Semaphore(0), list[float]()

    def renew(old: int) -> int | None:
        new = replica.version()
        if new == old:
            return None
        heard.release()
        return new

    holder = Holder(replica.version(), renew)
    with (
        replica.following() as feed,
        holder.polling(interval_s=60.0, announcer=lambda ring: feed.calling(ring, topic=CHANGES)),
    ):
        for number in range(RENEWALS):
            store.set_reference_state("r", (ReferenceState.RETIRED, ReferenceState.ACTIVE)[number % 2])
            delays.append(timed(lambda: heard.acquire(timeout=30.0)))
    return delays
