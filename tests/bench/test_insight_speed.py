"""How fast are the figures with 100,000 decisions and 50,000 waiting cases? Figures to read (`pytest -s`)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from index.insight import Span, Split
from index.store.steps import DAY_S, HOUR_S
from index.store.store import Store
from tests.support.insight import DAYS, NOW, fill_insight
from tests.support.postgres import postgres_server

DECISIONS, WAITING = 100_000, 50_000
# SQLite is for small installations: its figures are told, not bounded.
ASKED = {"SQLite": 3, "PostgreSQL": 20}
MOST_MS = 300.0


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | Path]:
    """Name an empty database of each kind; the server writes as it does in earnest."""
    if request.param == "sqlite":
        yield tmp_path / "store.db"
        return
    with postgres_server(durable=True) as server:
        yield server.url(server.create())


@pytest.mark.measure
def test_figures_are_quick(place: str | Path) -> None:
    """On PostgreSQL each figure over everything on record takes less than 300 ms (p95)."""
    with Store.open(place) as store:
        fill_insight(store, listings=DECISIONS, waiting=WAITING)
        engine = store.condition().engine
        took = {name: _p95_ms(ask, times=ASKED[engine]) for name, ask in questions(store).items()}
    for name, milliseconds in took.items():
        print(f"{engine}, {DECISIONS:,} decisions, {WAITING:,} waiting: {name}: {milliseconds:.0f} ms (p95)")

    assert isinstance(place, Path) or max(took.values()) < MOST_MS


def questions(store: Store) -> dict[str, Callable[[], object]]:
    """Give a way to ask for each figure, over everything on record."""
    everything = Span(NOW - timedelta(days=DAYS), NOW)
    return {
        **{f"volumes by {split}": _volumes(store, everything, split) for split in Split},
        "volumes by hour": lambda: store.volumes(everything, step_s=HOUR_S),
        "audits": lambda: store.audit_counts(everything),
        "reliability": lambda: store.reliability(everything),
        "reliability of a brand": lambda: store.reliability(everything, brand="Brand 3"),
        "queue": lambda: store.queue_counts(now=NOW),
        "flow": lambda: store.queue_flow(Span(NOW - timedelta(days=7), NOW)),
        "drift": lambda: store.histograms(everything, window=NOW - timedelta(days=7)),
        "reviewers": lambda: store.list_reviewers(everything),
        "reviewer": lambda: store.reviewed("reviewer-1", everything),
        "seller": lambda: store.seller_history("s1", since=everything.start, latest=20),
    }


def _volumes(store: Store, span: Span, split: Split) -> Callable[[], object]:
    return lambda: store.volumes(span, step_s=DAY_S, split=split)


def _p95_ms(work: Callable[[], object], *, times: int) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(1e3 * (time.perf_counter() - start))
    return statistics.quantiles(taken, n=20)[18]
