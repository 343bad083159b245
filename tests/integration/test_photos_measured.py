"""What keeping photos costs a screening: nothing for an ALLOW, the writing of its files for a REVIEW."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
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

LISTINGS, PHOTOS = 24, 4
KINDS = {"ALLOW": "", "REVIEW": "Aurora 1:1 replica"}


class Timed(PhotoKeeper):
    """Keeps photos, and notes for how many milliseconds each listing waited."""

    waited_ms: list[float]

    def keep(self, photos: Sequence[Photo], files: Sequence[bytes], *, deadline: Deadline = NEVER) -> tuple[Photo, ...]:
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

        # In turn, so that what else the machine does falls on both alike.
        spent: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(LISTINGS):
            for kind in KINDS:
                spent[kind].append(_screen(timed, kind, number, size))

    allowed, reviewed = (statistics.median(each) for each in spent.values())
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


def _screen(application: Application, kind: str, number: int, size: int) -> float:
    """Screen a listing of new photos and return how long it took, in ms."""
    first = 10_000 + 2 * PHOTOS * number + PHOTOS * (kind == "REVIEW")
    photos = [draw(first + place, edge=size, kind="JPEG") for place in range(PHOTOS)]
    offer = listing(*photos, listing_id=f"{kind}{number}", title=KINDS[kind])
    request = pb.ScreenListingRequest(listing=offer)
    start = time.perf_counter()
    decision = application.moderation.screen(request)
    took = 1000 * (time.perf_counter() - start)
    assert decision_pb2.Verdict.Name(decision.verdict) == f"VERDICT_{kind}"
    return took
