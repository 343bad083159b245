"""What did a scan find, at a glance? Reads its Parquet file by row groups and keeps what the report shows.

Twice: counts and the strongest rows first; then, when it is known which brands and which photos matter, the points of
the price chart and who shares photos. Memory depends on the limits named in these modules, not on the number of rows.
`serving.scan.report_page` draws it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from index.money import ExchangeRates
from serving.scan.file import ScanFile, open_scan
from serving.scan.report_faults import FaultGroup, read_faults
from serving.scan.report_prices import BRANDS, PRICE_COLUMNS, Prices, PriceSample, main_currency
from serving.scan.report_rings import Rings, SharedPhotos
from serving.scan.report_tallies import Kept, NameRow, NameTally, Strongest
from serving.scan.rows import SCHEMA

MOST_ROWS_OF_TABLE = 15
MOST_FLAGGED = 500
MOST_MATCHES = 48

# From this probability on a match counts: likelier than not. Nearly every photo resembles some reference a little.
LEAST_MATCH = 0.5

VERSIONS = ("model_fingerprint", "index_version", "policy_version")
# What pandas and Arrow note of themselves.
_FOREIGN = ("pandas", "ARROW:")
_COLUMNS = tuple(name for name in SCHEMA.names if name != "facts")


@dataclass(frozen=True, kw_only=True)
class NameTable:
    """The names of one kind with most flagged listings, and how much is left out."""

    kind: str
    heading: str
    rows: tuple[NameRow, ...]
    more: int
    forgotten: int


@dataclass(frozen=True, kw_only=True)
class ScanReport:
    """Everything that the page says."""

    metadata: Mapping[str, str]
    versions: Mapping[str, tuple[tuple[str, int], ...]]
    verdicts: Mapping[str, int]
    errors: int
    tables: tuple[NameTable, ...]
    flagged: tuple[Kept, ...]
    matches: tuple[Kept, ...]
    matched: int
    prices: Prices | None
    rings: Rings
    ring_sellers: Mapping[str, NameRow]
    faults: tuple[FaultGroup, ...] | None

    @property
    def rows(self) -> int:
        """How many listings have a row."""
        return sum(self.verdicts.values())


def read_report(path: Path, rates: ExchangeRates, *, faults: Path | None) -> ScanReport:
    """Sum up what a scan wrote. `faults` is its faults file, if there is one.

    Raises:
        CatalogueError: `path` is no file that a scan wrote.
        OSError: a file cannot be read.

    """
    with open_scan(path) as file:
        found = _Counts()
        for first_row, table in file.tables(_COLUMNS):
            found.add(first_row, table)
        sample = found.price_sample(rates)
        prices = _sampled(file, sample, found) if sample else None
        rings = found.shared.rings(file.tables(("seller_id", "images")))
        metadata = {key: value for key, value in sorted(file.metadata.items()) if not key.startswith(_FOREIGN)}
    return ScanReport(
        metadata=metadata,
        versions={name: tuple(counts.most_common()) for name, counts in found.versions.items()},
        verdicts=found.verdicts,
        errors=found.errors,
        tables=found.tables(),
        flagged=tuple(found.flagged.rows()),
        matches=tuple(found.matches.rows()),
        matched=found.matched,
        prices=prices,
        rings=rings,
        ring_sellers={row.name: row for row in found.sellers_of(rings)},
        faults=None if faults is None else read_faults(faults),
    )


def brands_of(table: pa.Table) -> pa.Array:
    """Name the brand of each row: what the decision names, else what a photo shows; null for none."""
    seen = pc.if_else(pc.greater_equal(table["match_score"], LEAST_MATCH), _none_if_empty(table["match_brand"]), None)
    return pc.coalesce(_none_if_empty(table["brand"]), seen)


def brand_of(row: Mapping[str, object]) -> str:
    """Name the brand of one row as `brands_of` does; "" for none."""
    score = row["match_score"]
    seen = row["match_brand"] if isinstance(score, float) and score >= LEAST_MATCH else None
    return str(row["brand"] or seen or "")


class _Counts:
    """What is known after the first reading."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.versions: dict[str, Counter[str]] = {name: Counter() for name in VERSIONS}
        self.errors = self.matched = 0
        self.flagged, self.matches = Strongest(MOST_FLAGGED), Strongest(MOST_MATCHES)
        self.shared = SharedPhotos()
        self.currencies: Counter[str] = Counter()
        self.priced = NameTally()
        self._tallies = {name: NameTally() for name in ("brand", "seller", "category", "reason")}

    def add(self, first_row: int, table: pa.Table) -> None:
        """Take the rows `first_row` and following."""
        brands, verdicts = brands_of(table), table["verdict"]
        _count(self.verdicts, verdicts)
        for name, counts in self.versions.items():
            _count(counts, table[name])
        self.errors += table.num_rows - table["error"].null_count
        self._tallies["brand"].add(brands, verdicts)
        self._tallies["seller"].add(table["seller_id"], verdicts)
        self._tallies["category"].add(table["category"], verdicts)
        reasons = table["reasons"]
        self._tallies["reason"].add(pc.list_flatten(reasons), verdicts.take(pc.list_parent_indices(reasons)))
        priced = pc.and_(pc.is_valid(table["price_amount"]), pc.is_valid(brands))
        self.priced.add(brands.filter(priced), verdicts.filter(priced))
        _count(self.currencies, table["price_currency"])
        self._offer(table)
        self.shared.add(table, first_row)

    def tables(self) -> tuple[NameTable, ...]:
        """Return the tables of the page."""
        headings = {"brand": "Brands", "seller": "Sellers", "category": "Categories", "reason": "Reasons"}
        return tuple(
            NameTable(
                kind=kind,
                heading=headings[kind],
                rows=(rows := tally.top(MOST_ROWS_OF_TABLE)),
                more=len(tally) - len(rows),
                forgotten=tally.forgotten,
            )
            for kind, tally in self._tallies.items()
        )

    def sellers_of(self, rings: Rings) -> tuple[NameRow, ...]:
        """Return what is counted of the members of rings."""
        return self._tallies["seller"].rows_of(seller for ring in rings.rings for seller in ring.sellers)

    def price_sample(self, rates: ExchangeRates) -> PriceSample | None:
        """Prepare the second reading; None when no price is stated."""
        currency = main_currency(self.currencies.items())
        if currency is None:
            return None
        return PriceSample(tuple(row.name for row in self.priced.top(BRANDS)), rates, currency)

    def _offer(self, table: pa.Table) -> None:
        # Probabilities reach from -1 (unknown) to 1, so the graver verdict always comes first.
        allowed, down = (pc.equal(table["verdict"], verdict) for verdict in ("ALLOW", "TAKEDOWN"))
        gravity = _numbers(pc.if_else(allowed, 0.0, pc.if_else(down, 6.0, 3.0)))
        probability = _numbers(pc.fill_null(table["counterfeit_probability"], -1.0))
        shown = table.drop_columns(["image_hashes"])
        flagged = np.flatnonzero(gravity > 0)
        if len(flagged):
            self.flagged.offer(shown.take(flagged), (gravity + probability)[flagged])
        matched = np.flatnonzero(_numbers(pc.fill_null(table["match_score"], 0.0)) >= LEAST_MATCH)
        self.matched += len(matched)
        if len(matched):
            best = shown.take(matched)
            keys = (gravity[matched] > 0) * 3.0 + _numbers(best["match_score"])
            self.matches.offer(best, keys, _photos_of(best))


def _sampled(file: ScanFile, sample: PriceSample, found: _Counts) -> Prices:
    for first_row, table in file.tables(PRICE_COLUMNS):
        sample.add(table, brands_of(table), first_row)
    return sample.prices(max(0, len(found.priced) - len(sample.brands)))


def _photos_of(table: pa.Table) -> list[str]:
    """Name the picture of each row's match: its digest, or the listing where there is none."""
    columns = (table[name].to_pylist() for name in ("listing_id", "match_image", "image_sha256"))
    return [
        files[image] if image is not None and 0 <= image < len(files) and files[image] else f"listing {listing_id}"
        for listing_id, image, files in zip(*columns, strict=True)
    ]


def _count(counts: Counter[str], values: pa.ChunkedArray) -> None:
    for each in pc.value_counts(values).to_pylist():
        if each["values"] is not None:
            counts[each["values"]] += each["counts"]


def _none_if_empty(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(texts, ""), None, texts)


def _numbers(values: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.array(values.to_numpy(), np.float64)
