"""How long does it take to find listings among many, to build their index, and to keep it? To read (`pytest -s`).

Vectors of 1,280 values, as many as those of touchstone-s, in clusters; ten regions a listing.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from index.catalogue_following import Followed, MemoryFollowing
from index.listing_catalogue import ListingCatalogue
from index.listing_regions import STORED, Place, pack_places
from index.listings import EVERYWHERE, ListingWhere
from index.refresh import Holder
from index.store.regions import put_regions
from index.store.store import Store
from index.store.tables.decisions import decisions, listing_images
from index.store.tables.listings import listing_brands, listing_regions
from serving.app import open_application
from tests.integration.support import draw, fill, listing, settings_at
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from vision.regions import Box

DIM, PHOTOS, MARKS = 1_280, 2, 8
SELLERS = 1_000
MODEL = "made-up@0001"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEARCHES = 15
SCREENINGS, BLOCK = 240, 20
_BATCH = 500
# Screening may take this much longer with its regions kept and followed, on a machine with neighbours.
MOST_SLOWER = 1.5


@pytest.mark.measure
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("regions", [100_000, 1_000_000])
def test_finding_among_many(tmp_path: Path, regions: int) -> None:
    """Find p50, build time and memory; the answers themselves are held to exact search by the contract suite."""
    listings = regions // (PHOTOS + MARKS)
    with Store.open(tmp_path / "store.db") as store:
        _put_on_record(store, listings)
        before, began = psutil.Process().memory_info().rss, time.perf_counter()
        following = MemoryFollowing(
            store=store, fingerprint=MODEL, dim=DIM, backend="faiss", limit=2 * regions, folder=tmp_path
        )
        holder = Holder(Followed(), following.renew)
        holder.refresh()
        built = time.perf_counter() - began
        memory = (psutil.Process().memory_info().rss - before) / 2**20
        catalogue = ListingCatalogue(store, MODEL, lambda: holder.current.index)
        taken = {
            "marks": _median_ms(catalogue, marks=True),
            "photos": _median_ms(catalogue, marks=False),
            "one seller of 1,000": _median_ms(catalogue, marks=True, where=ListingWhere(seller_ids=("s7",))),
            "one verdict of 2": _median_ms(catalogue, marks=True, where=ListingWhere(verdicts=("REVIEW",))),
        }

    print(
        f"\n{regions:,} regions x {DIM}, {listings:,} listings, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}:"
    )
    print(f"built in {built:.1f} s, {memory:,.0f} MiB; p50 ms of 100 hits:")
    print(", ".join(f"{name} {milliseconds:.0f}" for name, milliseconds in taken.items()))
    assert taken["marks"] < 60_000


@pytest.mark.measure
def test_screening_hardly_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Screening p50 with regions kept and followed, against without either, block by block in one run."""
    monkeypatch.setattr("index.refresh.logger", SimpleNamespace(exception=print, info=print, debug=print))
    with open_application(settings_at(tmp_path)) as application:
        fill(application)
        taken: dict[bool, list[float]] = {False: [], True: []}
        for block in range(SCREENINGS // BLOCK):
            kept = block % 2 == 0
            monkeypatch.setattr("index.store.decisions.put_regions", put_regions if kept else lambda *_: None)
            if kept:
                with application.listings.polling(interval_s=0.05):
                    taken[kept] += _screen(application.moderation.screen, block)
            else:
                taken[kept] += _screen(application.moderation.screen, block)

    medians = {kept: statistics.median(times) for kept, times in taken.items()}
    print(f"\n{SCREENINGS} listings, embedder fake, load {os.getloadavg()[0]:.1f}: screening p50")
    print(f"{medians[True]:.1f} ms with the regions kept and followed, {medians[False]:.1f} ms without")
    assert medians[True] < MOST_SLOWER * medians[False]


def _screen(screen: Callable[[pb.ScreenListingRequest], object], block: int) -> Iterator[float]:
    for number in range(BLOCK):
        seed = 10_000 + block * BLOCK + number
        request = pb.ScreenListingRequest(listing=listing(draw(seed), listing_id=f"l{seed}"))
        began = time.perf_counter()
        screen(request)
        yield 1_000 * (time.perf_counter() - began)


def _median_ms(catalogue: ListingCatalogue, *, marks: bool, where: ListingWhere = EVERYWHERE) -> float:
    generator = np.random.default_rng(1)
    taken = []
    for _ in range(SEARCHES):
        vectors = _unit_rows(generator, 2)
        began = time.perf_counter()
        catalogue.find_listings(vectors, marks=marks, at_least=0.3, most=100, where=where)
        taken.append(1_000 * (time.perf_counter() - began))
    return statistics.median(taken)


def _unit_rows(generator: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Directions in 500 clusters, cosine within one about 0.5: float32 [count, 1280]."""
    centres = np.random.default_rng(0).standard_normal((500, DIM), dtype=np.float32)
    rows = centres[generator.integers(0, 500, count)] + generator.standard_normal((count, DIM), dtype=np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _put_on_record(store: Store, listings: int) -> None:
    """Put listings on record as screening would, many in a transaction."""
    generator = np.random.default_rng(2)
    place = Place(0, Box(0.1, 0.1, 0.6, 0.6))
    places = pack_places((place,) * (PHOTOS + MARKS))
    for first in range(0, listings, _BATCH):
        vectors = _unit_rows(generator, _BATCH * (PHOTOS + MARKS)).astype(STORED).reshape(_BATCH, PHOTOS + MARKS, DIM)
        numbers = range(first, first + _BATCH)
        with store._database.write("fill") as connection:
            connection.execute(decisions.insert(), [_decision(number) for number in numbers])
            connection.execute(
                listing_images.insert(),
                [
                    {"decision_id": f"d{n}", "position": p, "sha256": "", "embedding": vectors[n - first, p].tobytes()}
                    for n in numbers
                    for p in range(PHOTOS)
                ],
            )
            connection.execute(
                listing_regions.insert(),
                [
                    {
                        "listing_id": f"l{n}",
                        "decision_id": f"d{n}",
                        "category": "fashion > shoes",
                        "fingerprint": MODEL,
                        "dim": DIM,
                        "photos": PHOTOS,
                        "places": places,
                        "marks": vectors[n - first, PHOTOS:].tobytes(),
                    }
                    for n in numbers
                ],
            )
            brands = [{"listing_id": f"l{number}", "brand_id": f"b{number % 50}"} for number in numbers]
            connection.execute(listing_brands.insert(), brands)


def _decision(number: int) -> dict[str, object]:
    return {
        "decision_id": f"d{number}",
        "listing_id": f"l{number}",
        "seller_id": f"s{number % SELLERS}",
        "brand": "",
        "verdict": ("ALLOW", "REVIEW")[number % 2],
        "create_time": NOON + timedelta(seconds=number),
        "request_sha256": "",
        "model_fingerprint": MODEL,
        "index_version": "",
        "policy_version": "",
        "market": "DE",
        "payload": b"",
    }
