"""What keeping photos costs a screening: nothing for an ALLOW, the writing of its files for a REVIEW."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from pathlib import Path

import pytest

from index.local_blobs import LocalBlobs
from index.photos import Photo
from serving.app import Application, open_application
from serving.deadline import NEVER, Deadline
from serving.photo_keeping import PhotoKeeper
from tests.integration.support import draw, fill, listing, settings_at
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb

LISTINGS, PHOTOS = 60, 4


class Timed(PhotoKeeper):
    """Keeps photos, and notes for how many milliseconds each listing waited."""

    waited_ms: list[float]

    def keep(
        self, photos: tuple[Photo, ...], files: tuple[bytes, ...], *, deadline: Deadline = NEVER
    ) -> tuple[Photo, ...]:
        """Keep, and note the time."""
        start = time.perf_counter()
        kept = super().keep(photos, files, deadline=deadline)
        self.waited_ms.append(1000 * (time.perf_counter() - start))
        return kept


@pytest.mark.measure
@pytest.mark.parametrize("size", [400, 1600])
def test_the_cost_of_keeping(tmp_path: Path, size: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Screens listings of four photos with and without a case; an ALLOW asks for nothing, a REVIEW waits a little."""
    with open_application(settings_at(tmp_path / "data")) as application, Timed(application.blobs) as keeper:
        fill(application)
        keeper.waited_ms = []
        timed = replace(application, moderation=replace(application.moderation, photos=keeper))
        bytes_each = len(draw(10_000, edge=size, kind="JPEG"))

        spent = {
            title: [_screen(timed, title, n, size) for n in range(LISTINGS)] for title in ("", "Aurora 1:1 replica")
        }

    allowed, reviewed = (statistics.median(spent[title]) for title in spent)
    waited = sorted(keeper.waited_ms)
    p50, p95 = statistics.median(waited), waited[int(0.95 * LISTINGS)]
    with capsys.disabled():
        print(
            f"\n{PHOTOS} photos of {bytes_each / 1024:.0f} KiB: ALLOW {allowed:.0f} ms, REVIEW {reviewed:.0f} ms; "
            f"of that waiting for photos p50 {p50:.1f} ms, p95 {p95:.1f} ms"
        )
    assert len(waited) == LISTINGS
    assert p50 < 250


@pytest.mark.measure
def test_the_cost_of_a_durable_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file after another into a folder: what the two fsyncs of each cost on this disk."""
    blobs, took = LocalBlobs(tmp_path), []
    for number in range(200):
        content = number.to_bytes(4) * 40_000
        start = time.perf_counter()
        blobs.put(content)
        took.append(1000 * (time.perf_counter() - start))

    with capsys.disabled():
        print(f"\n160 kB durable: p50 {statistics.median(took):.1f} ms, p95 {sorted(took)[190]:.1f} ms")
    assert statistics.median(took) < 250


def _screen(application: Application, title: str, number: int, size: int) -> float:
    """Screen a listing of new photos and return how long it took, in ms."""
    seeds = range(10_000 + PHOTOS * number, 10_000 + PHOTOS * (number + 1))
    photos = [draw(seed + bool(title) * 10**6, edge=size, kind="JPEG") for seed in seeds]
    request = pb.ScreenListingRequest(listing=listing(*photos, listing_id=f"{title}{number}", title=title))
    start = time.perf_counter()
    decision = application.moderation.screen(request)
    took = 1000 * (time.perf_counter() - start)
    assert (decision.verdict == decision_pb2.VERDICT_ALLOW) is (not title)
    return took
