"""What does it cost to be watched? Processor time of a decision with metrics and traces, against none (`pytest -s`).

The embedder needs no network, and without points (`points: none`) a decision is as short as it gets: there what is told
weighs most. Listings take turns between the applications, so that whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Literal

import pytest
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving.app import Application, open_application
from serving.settings import Settings
from serving.telemetry.meter import Meter
from serving.telemetry.telemetry import UNOBSERVED, Telemetry
from serving.telemetry.tracing import Tracing
from tests.integration.support import draw, fill, listing
from touchstone.moderation.v1 import moderation_service_pb2 as pb

LISTINGS = {"sift": 40, "none": 200}  # by what photos are compared by, point by point; `sift` is the default
MOST_SHARE = 0.03


def _traced(share: float) -> Telemetry:
    return Telemetry(Meter(), Tracing(BatchSpanProcessor(InMemorySpanExporter()), share=share))


WAYS: dict[str, Callable[[], Telemetry]] = {
    "nothing": lambda: UNOBSERVED,
    "metrics": lambda: Telemetry(Meter()),
    "metrics, traces of 1%": lambda: _traced(0.01),
    "metrics, all traced": lambda: _traced(1.0),
}


@contextmanager
def _opened(folder: Path, telemetry: Telemetry, points: Literal["sift", "none"]) -> Iterator[Application]:
    settings = Settings(embedder="fake", points=points, data_dir=folder, audit_share=0.0, photo_retention_days=0)
    with ExitStack() as parts:
        if telemetry.tracing is not None:
            parts.callback(telemetry.tracing.close)
        application = parts.enter_context(open_application(settings, telemetry=telemetry))
        fill(application)
        yield application


def _screen(application: Application, number: int, photo: bytes) -> float:
    """Screen one listing as a request of its own, and return the processor's milliseconds."""
    offer = listing(photo, listing_id=f"a{number}", title="Leather backpack", claimed_brand="Aurora", seller_id="s")
    request = pb.ScreenListingRequest(listing=offer)
    tracing = application.telemetry.tracing

    def answer() -> None:
        span = None if tracing is None else tracing.begin("ScreenListing", (), {})
        application.moderation.screen(request)
        if span is not None:
            span.end()

    began = time.process_time()
    copy_context().run(answer)
    return (time.process_time() - began) * 1000


@pytest.mark.measure
@pytest.mark.parametrize("points", ["sift", "none"])
def test_being_watched_costs_little(tmp_path: Path, points: Literal["sift", "none"]) -> None:
    """Metrics with a hundredth of requests traced take at most 3% of a decision's processor time."""
    listings = LISTINGS[points]
    photos = [draw(seed, kind="JPEG") for seed in range(600, 620)]
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    with ExitStack() as parts:
        opened = {
            way: parts.enter_context(_opened(tmp_path / str(place), make(), points))
            for place, (way, make) in enumerate(WAYS.items())
        }
        for number in range(listings):
            order = [*WAYS][number % len(WAYS) :] + [*WAYS][: number % len(WAYS)]
            for way in order:
                taken[way].append(_screen(opened[way], number, photos[number % len(photos)]))

    beside = {way: _more(taken[way], taken["nothing"]) for way in WAYS}
    alone = statistics.median(taken["nothing"])
    print(f"\npoints: {points}, {listings} listings, median of processor time: {alone:.2f} ms with nothing")
    for way, more in beside.items():
        print(f"{way}: {more:+.3f} ms, {more / alone:+.2%}")
    assert beside["metrics, traces of 1%"] / alone <= MOST_SHARE


def _more(one: list[float], other: list[float]) -> float:
    """Return what one takes more than the other, listing by listing: the median."""
    return statistics.median(a - b for a, b in zip(one, other, strict=True))
