"""Which listings of a scan did a moderator tick? What the report's page writes down, turned into listing ids again.

A selection names listings, and brands, sellers and categories by the names that the report shows; those mean all their
flagged listings in the scan's Parquet file, of which the page shows only some.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.errors import CatalogueError
from serving.scan.file import open_scan
from serving.scan.report import brands_of

_MOST_BYTES = 16 * 2**20
_MOST_NAMES = 100_000
_COLUMNS = ("listing_id", "verdict", "brand", "match_brand", "match_score", "seller_id", "category")


class ScanSelection(BaseModel):
    """The file `selection.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format_version: int = Field(ge=1, le=1)
    scan_id: str = Field(max_length=200)
    listing_ids: tuple[str, ...] = Field(default=(), max_length=_MOST_NAMES, strict=False)
    brands: tuple[str, ...] = Field(default=(), max_length=_MOST_NAMES, strict=False)
    sellers: tuple[str, ...] = Field(default=(), max_length=_MOST_NAMES, strict=False)
    categories: tuple[str, ...] = Field(default=(), max_length=_MOST_NAMES, strict=False)


def read_selection(path: Path) -> ScanSelection:
    """Read a selection. Raises CatalogueError when it is none, OSError when it cannot be read."""
    with path.open("rb") as stream:
        text = stream.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise CatalogueError(f"{path}: has more than {_MOST_BYTES:,} bytes; a report's selection has fewer")
    try:
        return ScanSelection.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CatalogueError(f"{path}: is no selection of a scan's report: {where}: {first['msg']}") from error


def selected_listings(scan: Path, selection: ScanSelection) -> Iterator[str]:
    """Yield the listings of `scan` that are selected, in its order.

    Raises:
        CatalogueError: `scan` is no scan's file, or not the one that the selection was made on.

    """
    with open_scan(scan) as file:
        if file.scan_id != selection.scan_id:
            raise CatalogueError(
                f"{scan}: is scan {file.scan_id!r}, but the selection is of {selection.scan_id!r}; give that one's file"
            )
        for _, table in file.tables(_COLUMNS):
            yield from _selected(table, selection)


def _selected(table: pa.Table, selection: ScanSelection) -> list[str]:
    named = _among(table["listing_id"], selection.listing_ids)
    for values, names in (
        (brands_of(table), selection.brands),
        (table["seller_id"], selection.sellers),
        (table["category"], selection.categories),
    ):
        named = pc.or_(named, pc.and_(_among(values, names), pc.not_equal(table["verdict"], "ALLOW")))
    found: list[str] = table["listing_id"].filter(named).to_pylist()
    return found


def _among(values: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.array(names, pa.string()))
