"""How much is there to scan, and how long will it take? Counted in one pass, timed on a sample drawn from all of it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from dataclasses import dataclass

from serving.scan.blocks import ScanBlock, ScanEntry, ScanItem
from serving.scan.local import Screener
from serving.scan.reuse import EmbeddingFile

SAMPLE = 32
"""Items timed: two seconds on a CPU, and their share of known images is right to within a sixth."""


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a source holds, and some of its items, drawn evenly; the same ones each time."""

    listing_count: int
    image_count: int
    fault_count: int
    sample: tuple[ScanItem, ...]


@dataclass(frozen=True, kw_only=True)
class ScanPlan:
    """What a scan is expected to take. `reused_image_count` and `estimated_s` are estimates; 0 s: cannot be told."""

    listing_count: int
    image_count: int
    fault_count: int
    reused_image_count: int
    estimated_s: float


def count(entries: Iterable[ScanEntry]) -> Contents:
    """Read a source once, and keep nothing but counts and a sample."""
    chance = random.Random(0)  # noqa: S311 - nothing depends on it but an estimate
    listings = images = faults = 0
    sample: list[ScanItem] = []
    for entry in entries:
        if not isinstance(entry, ScanItem):
            faults += 1
            continue
        listings += 1
        images += len(entry.images)
        if len(sample) < SAMPLE:
            sample.append(entry)
        elif (place := chance.randrange(listings)) < SAMPLE:
            sample[place] = entry
    return Contents(listing_count=listings, image_count=images, fault_count=faults, sample=tuple(sample))


def estimate(contents: Contents, screener: Screener, reuse: EmbeddingFile | None) -> ScanPlan:
    """Screen the sample, keep no row of it, and conclude from it to the whole.

    What the sample's photos are embedded by is kept for the scan itself, so little of the time is lost.
    """
    asked = sum(len(item.images) for item in contents.sample)
    before = reuse.found if reuse else 0
    start = time.perf_counter()
    if contents.sample:
        screener.screen(ScanBlock(0, contents.sample))
    spent = time.perf_counter() - start
    known = reuse.found - before if reuse else 0
    return ScanPlan(
        listing_count=contents.listing_count,
        image_count=contents.image_count,
        fault_count=contents.fault_count,
        reused_image_count=round(contents.image_count * known / asked) if asked else 0,
        estimated_s=spent * contents.listing_count / len(contents.sample) if contents.sample else 0.0,
    )
