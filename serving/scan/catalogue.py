"""Which listings already screened does a scan look at? A query over the catalogue, its answer kept in a file.

The store goes on changing while a scan runs, and a scan must be resumable without losing or doubling a listing. So the
answer is written down first, one line a listing in the order of the ids, and everything after that reads the file:
its order never changes, its digest names it, and neither side holds more than a page of it in memory.

Photos are not kept, so these listings can be decided again (`serving.scan.redecide`), but not be screened again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from index.durable import file_sha256, sync_directory, sync_file
from index.errors import NotFound
from index.listings import EVERYWHERE, ListingWhere
from index.scans import ScreenedListing
from index.store.engine import in_batches
from index.store.store import Store
from serving.errors import FieldViolation, InvalidListing
from serving.finding import Look, looks_of_reference
from serving.scan.blocks import ScanItem
from serving.wire.find import filter_violations, to_where
from serving.wire.rules import check_id
from touchstone.moderation.v1 import catalogue_pb2, scan_pb2
from vision.calibration import MatchCalibration

_SELECTION = pa.schema(
    [
        pa.field("listing_id", pa.string(), nullable=False),
        pa.field("number", pa.int64(), nullable=False),
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("verdict", pa.string(), nullable=False),
    ]
)
_ROWS = 4_096


@dataclass(frozen=True, kw_only=True)
class CatalogueQuery:
    """Which listings: those that fit `where` and, with a `reference_id`, look like that reference.

    `at_least` is the least cosine, -1..1; None for that from which on screening counts a match.
    """

    where: ListingWhere = EVERYWHERE
    reference_id: str = ""
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class DecidedItem(ScanItem):
    """A listing by a decision on record; `verdict` is the one that was in force when the scan began."""

    decision_id: str
    verdict: str


def to_query(message: scan_pb2.CatalogueQuery, where: catalogue_pb2.ListingFilter) -> CatalogueQuery:
    """Translate what a request asks for. Raises InvalidListing with every rule that it breaks."""
    if violations := tuple(_violations(message, where)):
        raise InvalidListing(violations)
    return CatalogueQuery(
        where=to_where(where),
        reference_id=message.reference_id,
        at_least=message.min_similarity if message.HasField("min_similarity") else None,
    )


def select(
    store: Store, query: CatalogueQuery, *, fingerprint: str = "", calibration: MatchCalibration | None = None
) -> Iterator[ScreenedListing]:
    """Yield the listings that a query asks for, by listing id, reading a page at a time.

    With a reference, listings are compared by the model `fingerprint`, each with all of its regions: exactly, and in
    the time that reading their vectors takes.

    Raises:
        NotFound: there is no such reference, or it is not embedded by this model.

    """
    look = None if not query.reference_id else _look(store, query, fingerprint, calibration)
    for page in store.iter_screened(query.where):
        yield from page if look is None else _alike(store, page, look, fingerprint)


def write_selection(listings: Iterable[ScreenedListing], path: Path) -> int:
    """Write listings down as the source of a scan, whole or not at all, and return how many there are."""
    count, unfinished = 0, path.with_name(f"{path.name}.tmp")
    with pq.ParquetWriter(unfinished, _SELECTION, compression="zstd") as writer:
        for page in in_batches(listings, _ROWS):
            writer.write_table(pa.Table.from_pylist([vars(one) for one in page], schema=_SELECTION))
            count += len(page)
    sync_file(unfinished)
    unfinished.replace(path)
    sync_directory(path.parent)
    return count


def selection_of(out: Path) -> Path:
    """Name the file in which a scan of `out` keeps what it selected, until it is done."""
    return out.with_name(f"{out.name}.selection")


def open_selection(out: Path, listings: Iterable[ScreenedListing], *, resume: bool) -> CatalogueSource:
    """Write down what a scan of `out` looks at; one that goes on has done so, and `listings` are not read again."""
    path = selection_of(out)
    if not (resume and path.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_selection(listings, path)
    return CatalogueSource(path)


@dataclass(frozen=True)
class CatalogueSource:
    """A `serving.scan.blocks.ScanSource` of listings already screened, over what `write_selection` wrote."""

    path: Path

    @cached_property
    def digest(self) -> str:
        """Name what was selected (hex)."""
        return file_sha256(self.path)

    def __len__(self) -> int:
        """Count the listings."""
        return int(pq.ParquetFile(self.path).metadata.num_rows)

    def entries(self) -> Iterator[DecidedItem]:
        """Yield the listings by their decisions, in the order of the file."""
        line = 0
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_ROWS, columns=["listing_id", "decision_id", "verdict"]):
                for row in batch.to_pylist():
                    line += 1
                    yield DecidedItem(line=line, **row)


def _look(store: Store, query: CatalogueQuery, fingerprint: str, calibration: MatchCalibration | None) -> Look:
    reference = store.get_reference(query.reference_id)
    views = store.reference_vectors(query.reference_id, fingerprint)
    if not len(views):
        raise NotFound(
            f"The reference {query.reference_id!r} is not embedded by the model {fingerprint}; upload its image again."
        )
    known = calibration or MatchCalibration.uncalibrated(fingerprint)
    return looks_of_reference(reference, views, known, at_least=query.at_least)[0]


def _alike(store: Store, page: tuple[ScreenedListing, ...], look: Look, fingerprint: str) -> Iterator[ScreenedListing]:
    """Keep those that look like something; who has no regions by this model looks like nothing."""
    entries = store.catalogue_entries((one.listing_id for one in page), fingerprint)
    alike = set()
    for entry in entries:
        regions = entry.vectors[entry.photos :] if look.marks else entry.vectors[: entry.photos]
        if len(regions) and float((look.vectors @ regions.T).max()) >= look.at_least:
            alike.add((entry.listing_id, entry.number))
    return (one for one in page if (one.listing_id, one.number) in alike)


def _violations(message: scan_pb2.CatalogueQuery, where: catalogue_pb2.ListingFilter) -> Iterator[FieldViolation]:
    yield from check_id("catalogue.reference_id", message.reference_id, required=False)
    if message.HasField("min_similarity"):
        least = message.min_similarity
        if not (math.isfinite(least) and -1.0 <= least <= 1.0):
            yield FieldViolation("catalogue.min_similarity", f"{least} is out of range; send -1 to 1, or nothing")
    yield from filter_violations("filter", where)
