"""How do prices lie by brand? A bounded sample of points of the brands that matter most, in one currency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from index.errors import PriceDataError
from index.money import ExchangeRates

BRANDS = 12
# Of each brand and verdict.
MOST_POINTS = 100

PRICE_COLUMNS = ("listing_id", "verdict", "brand", "match_brand", "match_score", "price_amount", "price_currency")
"""What a sample needs of a table of rows."""

_VERDICTS = ("ALLOW", "REVIEW", "TAKEDOWN")
# Knuth's multiplicative hashing (TAOCP 6.4): neighbouring rows come to lie far apart, so the smallest are a sample.
_SCATTER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class PricePoint:
    """A listing's price of one piece, in the report's currency."""

    listing_id: str
    verdict: str
    amount: float
    said: str


@dataclass(frozen=True, kw_only=True)
class BrandPrices:
    """Sampled prices of a brand, and how many there are in all by verdict."""

    brand: str
    points: tuple[PricePoint, ...]
    listings: int
    flagged: int

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Quartiles of the sampled prices of listings that are allowed; of all where none is."""
        allowed = [point.amount for point in self.points if point.verdict == "ALLOW"]
        low, middle, high = np.quantile(allowed or [point.amount for point in self.points], (0.25, 0.5, 0.75))
        return float(low), float(middle), float(high)


@dataclass(frozen=True, kw_only=True)
class Prices:
    """The brands with most flagged prices first; `currency` and where its rates are from; what could not be drawn."""

    currency: str
    rates: str
    brands: tuple[BrandPrices, ...]
    more_brands: int
    unusable: Counter[str]


@dataclass
class PriceSample:
    """Collects points for some brands: of each brand and verdict those whose rows hash lowest."""

    brands: tuple[str, ...]
    rates: ExchangeRates
    currency: str
    unusable: Counter[str] = field(default_factory=Counter)
    _tables: dict[tuple[str, str], pa.Table] = field(default_factory=dict)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, table: pa.Table, brands: pa.Array, first_row: int) -> None:
        """Take the rows `first_row` and following; `brands` are theirs."""
        amounts, usable = self._amounts(table)
        order = (np.arange(first_row, first_row + table.num_rows, dtype=np.uint64) + np.uint64(1)) * _SCATTER
        rows = pa.table(
            {
                "brand": brands,
                "verdict": table["verdict"],
                "listing_id": table["listing_id"],
                "price_amount": table["price_amount"],
                "price_currency": table["price_currency"],
                "amount": amounts,
                "order": order,
            }
        ).filter(pa.array(usable))
        rows = rows.filter(pc.is_in(rows["brand"], value_set=pa.array(self.brands, pa.string())))
        names = np.array(rows["brand"].to_pylist(), object)
        verdicts = np.array(rows["verdict"].to_pylist(), object)
        for brand in set(names.tolist()):
            for verdict in _VERDICTS:
                at = np.flatnonzero((names == brand) & (verdicts == verdict))
                if len(at):
                    self._keep((brand, verdict), rows.take(at))

    def prices(self, more_brands: int) -> Prices:
        """Return what was collected."""
        found = [self._brand(brand) for brand in self.brands]
        return Prices(
            currency=self.currency,
            rates=f"{self.rates.day:%Y-%m-%d}",
            brands=tuple(one for one in found if one.points),
            more_brands=more_brands,
            unusable=self.unusable,
        )

    def _keep(self, kind: tuple[str, str], rows: pa.Table) -> None:
        self._seen[kind] += rows.num_rows
        both = pa.concat_tables([self._tables[kind], rows]) if kind in self._tables else rows
        self._tables[kind] = both.sort_by("order").slice(0, MOST_POINTS).combine_chunks()

    def _brand(self, brand: str) -> BrandPrices:
        points = tuple(
            PricePoint(
                listing_id=row["listing_id"],
                verdict=verdict,
                amount=row["amount"],
                said=f"{row['price_amount']:,.2f} {row['price_currency']}",
            )
            for verdict in _VERDICTS
            if (brand, verdict) in self._tables
            for row in self._tables[brand, verdict].to_pylist()
        )
        seen = {verdict: self._seen[brand, verdict] for verdict in _VERDICTS}
        listings = sum(seen.values())
        return BrandPrices(brand=brand, points=points, listings=listings, flagged=listings - seen["ALLOW"])

    def _amounts(self, table: pa.Table) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Convert prices; says which rows have one that can be drawn."""
        amounts = table["price_amount"].to_numpy().astype(np.float64)
        stated = ~np.isnan(amounts)
        codes = np.array(table["price_currency"].to_pylist(), object)
        for code in set(codes[stated].tolist()):
            rows = codes == code
            factor = self._factor(code)
            if factor is None:
                self.unusable[f"no exchange rate for {code}"] += int((rows & stated).sum())
            amounts[rows] *= np.nan if factor is None else factor
        positive = np.isfinite(amounts) & (amounts > 0)
        self.unusable["not above zero"] += int((stated & (amounts <= 0)).sum())
        return amounts, positive

    def _factor(self, code: str | None) -> float | None:
        try:
            return float(self.rates.factor(code or "", self.currency))
        except PriceDataError:
            return None


def main_currency(counts: Iterable[tuple[str | None, int]]) -> str | None:
    """Name the currency of most prices."""
    stated = [(count, code) for code, count in counts if code]
    return max(stated)[1] if stated else None
