"""Which listings does a path mean? The one place where a scan's source and the reader of its files are chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from index.durable import file_sha256
from index.errors import CatalogueError
from index.manifest import ListingRow, read_listings
from serving.errors import ScanError
from serving.scan_blocks import Opener, ScanEntry, ScanFault, ScanItem, ScanSource


@dataclass(frozen=True)
class OpenedSource:
    """What is scanned, and what reads its images."""

    source: ScanSource
    opener: Opener


def open_source(place: str) -> OpenedSource:
    """Open a manifest (.jsonl). Raises ScanError when there is none."""
    path = Path(place)
    if not path.is_file() or path.suffix != ".jsonl":
        raise ScanError(f"{place} is no manifest: give a file of JSON lines, such as listings.jsonl.")
    return OpenedSource(JsonLines(path), LocalFiles())


class LocalFiles:
    """Reads files of this machine."""

    def read(self, location: str) -> bytes:
        """Return a file's bytes. Raises OSError."""
        return Path(location).read_bytes()


class JsonLines:
    """A manifest of JSON lines. Digests of the ids are held in memory, 40 bytes a listing, to tell repeated ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = file_sha256(path)

    @property
    def digest(self) -> str:
        """The file's sha256."""
        return self._digest

    def entries(self) -> Iterator[ScanEntry]:
        """Yield items and faults in the order of the lines."""
        faults: list[CatalogueError] = []
        seen: set[bytes] = set()
        for row in read_listings(self._path, on_error=faults.append):
            yield from map(_fault, faults)
            faults.clear()
            item = _item(row)
            digest = hashlib.blake2b(item.listing_id.encode(), digest_size=8).digest()
            if digest in seen:
                yield ScanFault(
                    line=item.line,
                    listing_id=item.listing_id,
                    code="DUPLICATE_ID",
                    message="this listing_id came before; its first row counts",
                )
                continue
            seen.add(digest)
            yield item
        yield from map(_fault, faults)


def _item(row: ListingRow) -> ScanItem:
    return ScanItem(
        line=_line(row.where),
        listing_id=row.listing_id,
        images=tuple(str(path.resolve()) for path in row.images),
        title=row.title,
        description=row.description,
        claimed_brand=row.claimed_brand,
        category=row.category,
        condition=row.condition,
        price=row.price,
        unit_count=row.unit_count,
        seller_id=row.seller_id,
        market=row.market,
    )


def _fault(error: CatalogueError) -> ScanFault:
    where = str(error).split(": ", 1)[0]
    return ScanFault(line=_line(where), listing_id="", code="MANIFEST_ROW", message=str(error))


def _line(where: str) -> int:
    number = where.rpartition(":")[2]
    return int(number) if number.isdigit() else 0
