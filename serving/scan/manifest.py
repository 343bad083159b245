"""Which listings does a manifest hold? JSON Lines, CSV and Parquet to items and faults, one row at a time.

Each row comes out once: as an item, as a fault under its line, or not at all because the filter leaves it out. A row
must keep the rules that a request of ScreenListing must keep (`serving.wire.requests`), but that it may have no
image. The first sound row of a listing counts; a later one is a fault, also when the filter leaves out both. Memory
does not grow with the manifest, whose ids are kept in a temporary file (`serving.scan.duplicates`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import BinaryIO

from index.errors import CatalogueError, PriceDataError
from index.manifest_fields import Fields
from index.money import Money
from serving.scan.blocks import ScanEntry, ScanFault, ScanItem
from serving.scan.duplicates import SeenListings
from serving.scan.files import ScanFiles
from serving.scan.filter import EVERYTHING, ScanFilter
from serving.scan.lines import Record, csv_records, json_records
from serving.scan.parquet import parquet_records
from serving.scan.places import Place, folder_of, suffix_of, within
from serving.wire.money import from_money, price_faults
from serving.wire.requests import MAX_IMAGES, word_violations
from serving.wire.rules import check_id

MANIFEST_ROW, DUPLICATE_ID = "MANIFEST_ROW", "DUPLICATE_ID"

FORMATS: dict[str, Callable[[BinaryIO], Iterator[Record]]] = {
    ".jsonl": json_records,
    ".csv": csv_records,
    ".parquet": parquet_records,
}
"""How each kind of manifest is read, by the end of its name."""

_CHUNK_BYTES = 2**20


@dataclass(frozen=True)
class ManifestSource:
    """A manifest at a location that ends in one of `FORMATS`; a `ScanSource`. Images relative to it lie beside it."""

    location: str
    files: ScanFiles
    only: ScanFilter = EVERYTHING

    def check(self) -> None:
        """Open it, and read header or schema. Raises CatalogueError when there is no such manifest or it is none."""
        next(self._records(), None)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its bytes. Raises CatalogueError.

        The whole file is read, which costs little beside reading its rows; size and time would not tell a manifest
        that was written again within the same second, or copied back.
        """
        content = hashlib.sha256()
        try:
            with self.files.open(self.location) as file:
                for chunk in iter(partial(file.read, _CHUNK_BYTES), b""):
                    content.update(chunk)
        except OSError as error:
            raise _unreadable(self.location, error) from error
        return content.hexdigest()

    def entries(self) -> Iterator[ScanEntry]:
        """Yield items and faults in the order of the rows. Raises CatalogueError when it cannot be read at all."""
        with SeenListings() as seen:
            for line, record in self._records():
                entry = self._entry(line, record)
                if isinstance(entry, ScanItem):
                    first = seen.first(entry.listing_id, line)
                    if first != line:
                        message = f"the listing came before, on line {first}, which counts; remove one of the two"
                        entry = _fault(line, entry.listing_id, message, code=DUPLICATE_ID)
                    elif not self.only.passes(entry):
                        continue
                yield entry

    @cached_property
    def _folder(self) -> Place:
        return folder_of(self.location)

    def _records(self) -> Iterator[Record]:
        try:
            with self.files.open(self.location) as file:
                yield from FORMATS[suffix_of(self.location)](file)
        except OSError as error:
            raise _unreadable(self.location, error) from error
        except CatalogueError as error:
            raise CatalogueError(f"{self.location}: {error}") from error

    def _entry(self, line: int, record: Fields | CatalogueError) -> ScanEntry:
        if isinstance(record, CatalogueError):
            return _fault(line, "", _without_place(record))
        try:
            return _item(line, record, self._folder)
        except CatalogueError as error:
            return _fault(line, _id_of(record), _without_place(error))
        except RecursionError:
            return _fault(line, "", "its values are nested too deeply; write plain ones")


def _item(line: int, fields: Fields, folder: Place) -> ScanItem:
    """Read a row. Raises CatalogueError with everything that ScreenListing would refuse."""
    images = fields.texts("images", "a list of paths, relative to the manifest or absolute, or of URLs")
    item = ScanItem(
        line=line,
        listing_id=fields.required("listing_id", "a string that names the listing"),
        images=tuple(within(folder, image) for image in images[: MAX_IMAGES + 1]),
        title=fields.text("title"),
        description=fields.text("description"),
        claimed_brand=fields.text("claimed_brand"),
        category=fields.text("category"),
        condition=fields.text("condition"),
        price=fields.price(),
        unit_count=fields.unit_count(),
        seller_id=fields.text("seller_id"),
        market=fields.text("market"),
    )
    faults = [f"{violation.field}: {violation.description}" for violation in word_violations(item)]
    if len(images) > MAX_IMAGES:
        faults.append(f"images: has {len(images)} images; send at most {MAX_IMAGES}")
    faults += [f"price: {fault}" for fault in _price_faults(item.price)]
    if faults:
        raise CatalogueError(f"{fields.where}: {'; '.join(faults)}.")
    return item


def _price_faults(price: Money | None) -> list[str]:
    try:
        return [] if price is None else price_faults(from_money(price))
    except PriceDataError as error:
        return [str(error)]


def _id_of(fields: Fields) -> str:
    """Return the listing of a faulty row, "" when not even that can be read."""
    try:
        listing_id = fields.text("listing_id").strip()
    except CatalogueError:
        return ""
    return "" if any(check_id("listing_id", listing_id, required=True)) else listing_id


def _fault(line: int, listing_id: str, message: str, *, code: str = MANIFEST_ROW) -> ScanFault:
    return ScanFault(line=line, listing_id=listing_id, code=code, message=message)


def _without_place(error: CatalogueError) -> str:
    """Take "line 7: " off: a fault has its line in a field of its own."""
    return str(error).partition(": ")[2]


def _unreadable(location: str, error: OSError) -> CatalogueError:
    return CatalogueError(f"{location}: the manifest cannot be read: {error.strerror or error}.")
