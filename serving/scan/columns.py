"""How does a row of a table, CSV or Parquet, say what a line of JSON says? Cells to the values of the listing manifest.

Several images stand in one cell, separated by ";" or as a JSON list. A price is a number in `price` beside a
`currency`, in `price_amount` beside a `price_currency` (as scans write it), or a JSON object in `price`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from index.errors import CatalogueError
from index.manifest_fields import json_value

TEXTS = frozenset(
    {"listing_id", "title", "description", "claimed_brand", "category", "condition", "seller_id", "market"}
    | {"currency", "price_currency"}
)
COLUMNS = TEXTS | {"images", "price", "price_amount", "unit_count"}
"""What a scan reads of a table; other columns are passed over."""


_MAX_DIGITS = 12  # of a whole number; more are never written out


def check_names(names: Sequence[str]) -> None:
    """Check the columns of a table. Raises CatalogueError."""
    twice = sorted({name for name in names if name in COLUMNS and names.count(name) > 1})
    if twice:
        raise CatalogueError(f"the column {twice[0]} stands there twice")
    if "listing_id" not in names:
        raise CatalogueError(f"there is no column listing_id among {', '.join(map(repr, names[:20]))!s:.300}")


def from_columns(cells: Mapping[str, object]) -> dict[str, object]:
    """Turn a table's row into the values of a line of JSON; what is no value stays as it is, to be refused by name."""
    values = {name: cell for name, cell in cells.items() if cell is not None and cell != "" and name in COLUMNS}
    if isinstance(images := values.get("images"), str):
        values["images"] = _list(images)
    if "unit_count" in values:
        values["unit_count"] = _whole(values["unit_count"])
    price, amount = values.pop("price", None), values.pop("price_amount", None)
    if price is not None:
        values["price"] = _price(price, values.get("currency", values.get("price_currency")))
    elif amount is not None:
        values["price"] = _price(amount, values.get("price_currency", values.get("currency")))
    return values


def _list(cell: str) -> object:
    if cell.lstrip().startswith("["):
        try:
            return json_value(cell.strip())
        except ValueError:
            return cell
    return [name for part in cell.split(";") if (name := part.strip())]


def _price(cell: object, currency: object) -> object:
    value = _number(cell)
    if isinstance(value, dict):
        return {**value, "amount": _number(value.get("amount"))}
    return {"amount": value, "currency": currency}


def _number(cell: object) -> object:
    """Read a number without changing it: 49.9 stays 49.9, and what is none stays what it is."""
    if isinstance(cell, str):
        try:
            return json_value(cell.strip())
        except ValueError:
            return cell
    if isinstance(cell, float) and cell - cell == 0:  # neither infinite nor no number
        return Decimal(repr(cell))
    return cell


def _whole(cell: object) -> object:
    number = _number(cell)
    if isinstance(number, Decimal) and number.adjusted() < _MAX_DIGITS and number == number.to_integral_value():
        return int(number)
    return number
