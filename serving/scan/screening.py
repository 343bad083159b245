"""What does a scan say of a block of listings? Their photos are looked at together, then the served pipeline decides.

One class for every runner. Photos of several listings pass the networks at once; what follows is done side by side by
`Pipeline.screen`, so that a scan decides exactly as the service would. A listing's row depends on the listing and the
versions alone, never on its neighbours: see `serving.steadying`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from serving.domain import Listing
from serving.errors import InvalidListing
from serving.pipeline import Pipeline
from serving.scan.blocks import Opener, ScanBlock, ScanEntry, ScanFault, ScanItem
from serving.scan.identity import ScanIdentity
from serving.scan.outcome import failed_row, row_of
from serving.scan.records import RecordsAsOf
from serving.scan.rows import BlockResult, ScanRow
from serving.scan.sight import Foreseen, NoReuse, PhotoRegions, ReadImage, Reuse, embed_ahead, missing_image, read_image
from serving.wire.requests import MAX_IMAGES, from_listing, to_listing
from touchstone.moderation.v1 import moderation_service_pb2 as pb

log = logging.getLogger(__name__)

PHOTOS_AT_ONCE = 64
"""Two full batches. 64 photos of the largest working size are 0.3 GB; those of a listing are never parted."""

THREADS = 4

_READ = b"read already"
"""Stands for an image where only their number counts."""


@dataclass(frozen=True)
class _Outcome:
    """What an entry came to; a source's fault has no row."""

    row: ScanRow | None
    faults: tuple[ScanFault, ...]


class ScanScreener:
    """Screens blocks; any number of threads may call it. Close it, or use it as a context manager.

    `pipeline` is the served one, whose embedder was made with `exactly=SCAN_BATCH`; nothing is written to the store.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        opener: Opener,
        identity: ScanIdentity,
        *,
        reuse: Reuse | None = None,
        threads: int = THREADS,
    ) -> None:
        records = RecordsAsOf(pipeline.records, pipeline.holds, identity.begin_time)
        self._pipeline = replace(
            pipeline,
            keeps_points=False,
            records=records,
            holds=records,
        )
        self._opener = opener
        self._scan_id = identity.scan_id
        self._reuse: Reuse = reuse or NoReuse()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="scan")

    def screen(self, block: ScanBlock) -> BlockResult:
        """Give each item its row, and tell all faults, in the order of the block's entries."""
        outcomes = [outcome for group in _groups(block.entries) for outcome in self._screen(group)]
        rows = tuple(outcome.row for outcome in outcomes if outcome.row is not None)
        return BlockResult(block.number, rows, tuple(fault for outcome in outcomes for fault in outcome.faults))

    def close(self) -> None:
        """End the threads once they are done."""
        self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _screen(self, group: Sequence[ScanEntry]) -> Iterator[_Outcome]:
        items = [entry for entry in group if isinstance(entry, ScanItem)]
        read = dict(zip(map(id, items), self._read(items), strict=True))
        photos = [image.photo for images in read.values() for image in images if image.photo is not None]
        seen = embed_ahead(photos, self._pipeline.embedder, self._reuse)
        decided = iter([self._pool.submit(self._decide, item, read[id(item)], seen) for item in items])
        for entry in group:
            yield next(decided).result() if isinstance(entry, ScanItem) else _Outcome(None, (entry,))

    def _read(self, items: Sequence[ScanItem]) -> list[tuple[ReadImage, ...]]:
        """Read all images side by side; an item of too many has none, for `_decide` refuses it."""
        wanted = [item.images if len(item.images) <= MAX_IMAGES else () for item in items]
        images = iter(list(self._pool.map(self._read_one, [place for places in wanted for place in places])))
        return [tuple(next(images) for _ in places) for places in wanted]

    def _read_one(self, location: str) -> ReadImage:
        try:
            data = self._opener.read(location)
        except OSError as error:
            return missing_image(error)
        return read_image(data, self._pipeline.limits)

    def _decide(self, item: ScanItem, images: tuple[ReadImage, ...], seen: dict[str, PhotoRegions]) -> _Outcome:
        try:
            listing = _checked(item)
            screening = self._pipeline.screen(listing, sight=Foreseen(images, seen, self._pipeline.embedder.dim))
            row = row_of(item, listing, images, screening, decision_id=self.decision_id(item.listing_id))
        except InvalidListing as error:
            return _failed(item, "MANIFEST_ROW", str(error))
        except Exception as error:  # a defect on one listing must not lose the others: a person looks instead
            log.exception("listing %s of line %d failed", item.listing_id, item.line)
            return _failed(item, "FAILED", f"{type(error).__name__}: {error}")
        return _Outcome(row, tuple(_image_faults(item, images)))

    def decision_id(self, listing_id: str) -> str:
        """Name a decision of this scan: the same whenever and wherever it is taken."""
        return hashlib.sha256(f"{self._scan_id}:{listing_id}".encode()).hexdigest()[:32]


def _groups(entries: Sequence[ScanEntry]) -> Iterator[list[ScanEntry]]:
    """Cut entries so that the images of each group are at most `PHOTOS_AT_ONCE`, or one listing's."""
    group: list[ScanEntry] = []
    size = 0
    for entry in entries:
        count = len(entry.images) if isinstance(entry, ScanItem) else 0
        if group and size + count > PHOTOS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(entry)
        size += count
    if group:
        yield group


def _checked(item: ScanItem) -> Listing:
    """Hold an item against the rules of the API. Raises InvalidListing with all that it breaks.

    An item without images breaks none: there is nothing to see, and a person looks.
    """
    listing = Listing(
        listing_id=item.listing_id,
        images=(_READ,) * max(len(item.images), 1),
        title=item.title,
        description=item.description,
        claimed_brand=item.claimed_brand,
        category=item.category,
        condition=item.condition,
        price=item.price,
        unit_count=item.unit_count,
        seller_id=item.seller_id,
        market=item.market,
    )
    return replace(to_listing(pb.ScreenListingRequest(listing=from_listing(listing))), images=())


def _failed(item: ScanItem, code: str, message: str) -> _Outcome:
    fault = ScanFault(line=item.line, listing_id=item.listing_id, code=code, message=message)
    return _Outcome(failed_row(item, f"{code}: {message}"), (fault,))


def _image_faults(item: ScanItem, images: Sequence[ReadImage]) -> Iterator[ScanFault]:
    for place, image in enumerate(images):
        if image.code:
            message = f"{item.images[place]}: {image.result.message}"
            yield ScanFault(line=item.line, listing_id=item.listing_id, code=image.code, message=message)
