"""Does a trick hide a mark? `eval tricks`: what is decided on listings whose photos sellers have doctored.

Photos with a boxed mark are screened as they are and after each trick (`training.seller_tricks`), through what
ScreenListing serves, in a throw-away registry of references. Each listing offers its goods for a tenth of what the
brand's usually cost and names no brand, so that what is decided rests on the mark being seen.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path

import numpy as np

from index.errors import CatalogueError
from index.manifest import ListingRow, read_listings
from index.market_records import PriceObservation
from index.money import Money
from serving.app import Application
from serving.domain import Listing
from serving.evidence import SEEN
from serving.settings import Settings
from serving.wire.requests import from_listing
from touchstone.moderation.v1 import decision_pb2
from touchstone.moderation.v1 import moderation_service_pb2 as pb
from training.copy_changes import as_jpeg
from training.pixels import Pixels
from training.progress import Progress, silent
from training.reference_source import ReferenceSource
from training.seller_tricks import TRICKS, Marked
from training.throwaway import Throwaway, throwaway_registry
from vision.decode import decode
from vision.errors import ImageError

USUAL_PRICE, PRICE, CATEGORY = 100, 10, "shoes"
OTHERS = 24
"""Photos of other things that marks are hidden among, and that are screened by themselves."""


@dataclass(frozen=True, kw_only=True)
class TrickReport:
    """The figures of `eval tricks`, by the names that it prints.

    `named` is, by trick, the share of listings in whose decision the brand is seen (a match of probability 0.5 at
    least), `stopped` the share with another verdict than ALLOW; `others_named` and `others_stopped` are the same of
    photos without any of the brands, for whatever brand.
    """

    photos: int
    others: int
    references: int
    named: dict[str, float]
    stopped: dict[str, float]
    others_named: float
    others_stopped: float
    ms_per_listing_p50: float
    model: str


@dataclass(frozen=True)
class _Outcome:
    named: bool
    stopped: bool
    ms: float


def evaluate_tricks(
    photos: Path,
    references: str,
    others: Path,
    *,
    settings: Settings,
    max_per_brand: int | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrickReport:
    """Play every trick on the boxed photos of the manifest `photos`, or on `limit` of them, drawn by `seed`.

    `references` is "seed" or a manifest, of each brand the first `max_per_brand`; of `others` the photos that are
    labelled with no brand are used. Calls `progress(done, total)` after each reference, then after each listing.

    Raises:
        CatalogueError: a manifest cannot be used, or there is no photo with a box, or without a brand.

    """
    follow, random = progress or silent, np.random.default_rng(seed)
    source = ReferenceSource(references, max_per_brand=max_per_brand)
    hidden_among = _others(others, random)
    with throwaway_registry(settings, source.references, progress=follow, total=source.expected) as registry:
        marked = _marked(photos, registry, hidden_among, random, limit)
        _set_usual_prices(registry.application, sorted({each.brand for each in marked}))
        outcomes: dict[str, list[_Outcome]] = defaultdict(list)
        total = len(marked) * len(TRICKS) + len(hidden_among)
        for name, listing, brand in _listings(marked, hidden_among, random):
            outcomes[name].append(_screened(registry.application, listing, brand))
            follow(sum(map(len, outcomes.values())), total)
        alone = outcomes.pop("")
        every = [one for found in outcomes.values() for one in found]
        return TrickReport(
            photos=len(marked),
            others=len(hidden_among),
            references=registry.references,
            named={name: statistics.fmean(one.named for one in found) for name, found in outcomes.items()},
            stopped={name: statistics.fmean(one.stopped for one in found) for name, found in outcomes.items()},
            others_named=statistics.fmean(one.named for one in alone),
            others_stopped=statistics.fmean(one.stopped for one in alone),
            ms_per_listing_p50=statistics.median(one.ms for one in every),
            model=registry.application.embedder.fingerprint,
        )


def _listings(
    marked: Sequence[Marked], others: Sequence[Pixels], random: np.random.Generator
) -> Iterator[tuple[str, Listing, str]]:
    """Give each trick's name with a listing and the brand that is hidden in it; "" for photos without one."""
    for number, photo in enumerate(others):
        yield "", _listing(f"other-{number}", (photo,)), ""
    for number, each in enumerate(marked):
        for name, trick in TRICKS.items():
            yield name, _listing(f"{number}-{name}", trick(each, random)), each.brand


def _listing(listing_id: str, photos: Sequence[Pixels]) -> Listing:
    files = tuple(as_jpeg(photo) for photo in photos)
    price = Money(Decimal(PRICE), "USD")
    return Listing(listing_id=listing_id, images=files, category=CATEGORY, condition="new", price=price)


def _screened(application: Application, listing: Listing, brand: str) -> _Outcome:
    start = time.perf_counter()
    decision = application.moderation.screen(pb.ScreenListingRequest(listing=from_listing(listing)))
    ms = (time.perf_counter() - start) * 1000
    matches = [item.visual_match for item in decision.evidence if item.HasField("visual_match")]
    seen = {match.brand for match in matches if match.probability >= SEEN}
    named = brand in seen if brand else bool(seen)
    return _Outcome(named, decision.verdict != decision_pb2.VERDICT_ALLOW, ms)


def _set_usual_prices(application: Application, brands: Sequence[str]) -> None:
    application.store.add_price_observations(
        PriceObservation(
            brand=brand,
            category=CATEGORY,
            condition="new",
            unit_price=Money(Decimal(USUAL_PRICE + number - 15), "USD"),
            observation_id=f"{brand}-{number}",
        )
        for brand in brands
        for number in range(30)
    )
    application.knowledge.refresh()


def _marked(
    manifest: Path, registry: Throwaway, others: Sequence[Pixels], random: np.random.Generator, limit: int | None
) -> list[Marked]:
    """Draw photos with a box, of brands that have references."""
    found: list[Marked] = []
    for row in _shuffled(manifest, random):
        label = row.labels.brand
        if not label or not row.labels.boxes or label not in registry.names:
            continue
        pixels = _pixels(row)
        if pixels is not None:
            brand = registry.names.registered(label)
            found.append(Marked(photo=pixels, box=row.labels.boxes[0], brand=brand, others=others))
        if len(found) == limit:
            break
    if not found:
        raise CatalogueError(f"{manifest}: no photo has a box and a brand with references; label some")
    return found


def _others(manifest: Path, random: np.random.Generator) -> list[Pixels]:
    rows = (row for row in _shuffled(manifest, random) if not row.labels.brand)
    readable = (pixels for row in rows if (pixels := _pixels(row)) is not None)
    if not (found := list(islice(readable, OTHERS))):
        raise CatalogueError(f"{manifest}: no photo is without a brand; give some of other things")
    return found


def _shuffled(manifest: Path, random: np.random.Generator) -> Iterator[ListingRow]:
    rows = [row for row in read_listings(manifest) if row.images]
    return (rows[place] for place in random.permutation(len(rows)))


def _pixels(row: ListingRow) -> Pixels | None:
    try:
        return decode(row.images[0].read_bytes()).pixels
    except (ImageError, OSError):
        return None
