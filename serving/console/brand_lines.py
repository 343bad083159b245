"""How are sellers and price bands typed? As lines of a table with semicolons, such as people paste from a sheet.

A seller is `SELLER; DE, AT; 2026-01-01; 2026-12-31`, a band `Shoes > Running; DE; 40.00; 90.00; EUR`; what is left out
at the end of a line is unset. Cells that hold a semicolon stand in double quotes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from touchstone.moderation.v1.brand_pb2 import AuthorizedSeller, PriceBand

T = TypeVar("T")
_NANOS = Decimal(10**9)
_MOST_UNITS = Decimal(10**15)


class LineError(ValueError):
    """A line cannot be read; `number` counts from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(f"line {number}")
        self.number = number


def read_sellers(text: str) -> list[AuthorizedSeller]:
    """Read sellers. Raises LineError."""
    return list(_read(text, 4, _seller))


def read_bands(text: str) -> list[PriceBand]:
    """Read price bands. Raises LineError."""
    return list(_read(text, 5, _band))


def write_sellers(sellers: Iterable[AuthorizedSeller]) -> str:
    """Write sellers so that `read_sellers` reads the same."""
    return _write(
        [each.seller_id, ", ".join(each.markets), _moment(each, "start_time"), _moment(each, "end_time")]
        for each in sellers
    )


def write_bands(bands: Iterable[PriceBand]) -> str:
    """Write price bands so that `read_bands` reads the same."""
    return _write(
        [" > ".join(each.category_path), each.market, _amount(each.low), _amount(each.high), each.low.currency_code]
        for each in bands
    )


def _read(text: str, columns: int, make: Callable[[Sequence[str]], T]) -> Iterator[T]:
    rows = csv.reader(io.StringIO(text.replace("\r\n", "\n")), delimiter=";", skipinitialspace=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if len(cells) > columns:
                raise LineError(rows.line_num)
            yield make(cells + [""] * (columns - len(cells)))
    except (ValueError, InvalidOperation, OverflowError, csv.Error) as error:
        raise LineError(rows.line_num) from error


def _write(rows: Iterable[Sequence[str]]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter=";", lineterminator="\n")
    for row in rows:
        cells = list(row)
        while len(cells) > 1 and not cells[-1]:
            cells.pop()
        writer.writerow(cells)
    return lines.getvalue()


def _seller(cells: Sequence[str]) -> AuthorizedSeller:
    seller_id, markets, start, end = cells
    return AuthorizedSeller(
        seller_id=seller_id,
        markets=[market.strip() for market in markets.split(",") if market.strip()],
        start_time=_stamp(start),
        end_time=_stamp(end),
    )


def _band(cells: Sequence[str]) -> PriceBand:
    path, market, low, high, currency = cells
    names = [name.strip() for name in path.split(">") if name.strip()]
    return PriceBand(category_path=names, market=market, low=_money(low, currency), high=_money(high, currency))


def _stamp(text: str) -> Timestamp | None:
    """Read a day or a moment of ISO 8601, in UTC unless it says otherwise; None for no text."""
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    stamp = Timestamp()
    stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return stamp


def _moment(seller: AuthorizedSeller, field: Literal["start_time", "end_time"]) -> str:
    if not seller.HasField(field):
        return ""
    stamp: Timestamp = getattr(seller, field)
    moment = stamp.ToDatetime(tzinfo=UTC)
    whole = moment.timetz().replace(tzinfo=None) == datetime.min.time()
    return moment.date().isoformat() if whole else moment.isoformat()


def _money(text: str, currency: str) -> Money:
    amount = Decimal(text)
    if not amount.is_finite() or abs(amount) > _MOST_UNITS:
        raise ValueError(text)
    units = int(amount)
    return Money(currency_code=currency, units=units, nanos=int((amount - units) * _NANOS))


def _amount(money: Money) -> str:
    return f"{money.units + money.nanos / _NANOS:f}"
