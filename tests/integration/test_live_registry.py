"""On busy replicas whose snapshots are exchanged: an upload is matched everywhere within a second."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from index.snapshot import current_snapshot
from tests.integration.live_load import Figures, measure, percentile
from tests.integration.processes import replicas, touchstone_process

SOON_S = 1.0
_BUILT = r"^index \d+-"


def test_uploads_are_matched_everywhere_within_a_second(tmp_path: Path) -> None:
    """Two replicas match what either took in within a second, and nothing fails while a builder exchanges the index."""
    figures = _measured(tmp_path / "data", uploads=20, listings_per_s=5, swaps=4)

    assert figures.screened
    assert not figures.failures
    for seconds in figures.match_s:
        assert percentile(seconds, 0.9) < SOON_S, figures


@pytest.mark.measure
def test_two_hundred_uploads_under_fifty_listings_a_second(tmp_path: Path) -> None:
    """The bar: p99 under a second over 200 uploads at 50 listings a second, no failure in 20 exchanges of snapshots."""
    figures = _measured(tmp_path / "data", uploads=200, listings_per_s=50, swaps=20)

    print(figures)
    assert not figures.failures
    for seconds in figures.match_s:
        assert percentile(seconds, 0.99) < SOON_S, figures


def _measured(data: Path, *, uploads: int, listings_per_s: float, swaps: int) -> Figures:
    """Run two replicas and a builder that makes `swaps` snapshots at least, and load them."""
    every = str(uploads // swaps - 1)
    with (
        replicas(data, 2, points="none") as both,
        touchstone_process(data, "index", "build", "--follow", "--changes", every, refresh_s=0.05) as builder,
    ):
        builder.wait_for(_BUILT)
        targets = [each.target for each in both]
        figures = asyncio.run(measure(targets, uploads=uploads, listings_per_s=listings_per_s))
        builder.wait_for(_BUILT, count=swaps)
        assert current_snapshot(data / "index") is not None
    return figures
