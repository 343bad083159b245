"""What do the fields of one row of a manifest hold? Each is checked for its type; a fault names row, field and remedy.

`index.manifest` and `serving.scan.manifest` read rows through it, whatever the file they came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from index.errors import CatalogueError, PriceDataError
from index.money import Money
from vision.regions import Box


class Fields:
    """The fields of one row; each method checks one type and raises CatalogueError when a field is not that.

    `where` names the row, "file:line"; paths are relative to `folder`.
    """

    def __init__(self, values: Mapping[str, object], *, where: str, folder: Path = Path()) -> None:
        self.values = values
        self.where = where
        self.folder = folder

    def refuse(self, name: str, expected: str) -> CatalogueError:
        """Make the error that says what a field holds and what to give."""
        return CatalogueError(f"{self.where}: {name}: {self.values.get(name)!r:.80} is not allowed; give {expected}.")

    def text(self, name: str) -> str:
        """Return a text, "" when there is none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.refuse(name, "a string")
        return self._encodable(value or "", name)

    def required(self, name: str, expected: str) -> str:
        """Return a text that must be there, without the spaces around it."""
        if not (value := self.text(name).strip()):
            raise self.refuse(name, expected)
        return value

    def truth(self, name: str) -> bool | None:
        """Return true, false or None when it is not said."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(name, "true or false")
        return value

    def time(self, name: str) -> datetime | None:
        """Return a time with its zone, or None."""
        if (value := self.values.get(name)) is None:
            return None
        try:
            time = datetime.fromisoformat(value)  # type: ignore[arg-type]  # a TypeError is caught
        except (TypeError, ValueError) as error:
            raise self.refuse(name, "a time such as 2025-09-01T12:00:00Z") from error
        if time.tzinfo is None:
            raise self.refuse(name, "a time with its zone, such as 2025-09-01T12:00:00Z")
        return time

    def path(self, value: object, name: str) -> Path:
        """Return where a file lies."""
        if not isinstance(value, str) or not value:
            raise self.refuse(name, "a path relative to the manifest, or absolute")
        return self.folder / value

    def items(self, name: str) -> list[object]:
        """Return the items of a list, none when it is missing."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, list):
            raise self.refuse(name, "a list")
        return value or []

    def texts(self, name: str, expected: str) -> tuple[str, ...]:
        """Return a list of texts none of which is empty."""
        texts = self.items(name)
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise self.refuse(name, expected)
        return tuple(self._encodable(str(text), name) for text in texts)

    def box(self, value: object, name: str) -> Box:
        """Return a box."""
        try:
            x1, y1, x2, y2 = (float(edge) for edge in value)  # type: ignore[attr-defined]  # a TypeError is caught
            return Box(x1, y1, x2, y2)
        except (TypeError, ValueError) as error:
            raise self.refuse(name, "[x1, y1, x2, y2] with 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1") from error

    def within(self, name: str) -> Fields:
        """Return the fields of an object within the row."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.refuse(name, "an object")
        return Fields(value or {}, where=f"{self.where}: {name}", folder=self.folder)

    def price(self) -> Money | None:
        """Return the price of the whole offer, None when it is not said."""
        if self.values.get("price") is None:
            return None
        price = self.within("price")
        amount = price.values.get("amount")
        if isinstance(amount, bool) or not isinstance(amount, int | Decimal) or amount < 0:
            raise price.refuse("amount", "a number of 0 or more, such as 49.90")
        try:
            return Money(Decimal(amount), price.required("currency", "an ISO 4217 code such as USD"))
        except PriceDataError as error:
            raise price.refuse("currency", "an active ISO 4217 code such as USD, EUR or CNY") from error

    def unit_count(self) -> int:
        """Return how many pieces the price buys; 1 when it is not said."""
        value = self.values.get("unit_count")
        if value is None:
            return 1
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.refuse("unit_count", "a whole number of pieces, 1 or more")
        return value

    def _encodable(self, text: str, name: str) -> str:
        # JSON can say half of a character ("\\ud800"), which no file or database keeps.
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                raise self.refuse(name, "text in UTF-8, without lone surrogates") from error
        return text


def json_fields(line: bytes, *, where: str, folder: Path = Path()) -> Fields:
    """Read one line of JSON. Raises CatalogueError when it is none, or no object."""
    try:
        values = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise CatalogueError(f"{where}: not a line of JSON in UTF-8 ({error}); write one object a line.") from error
    if not isinstance(values, dict):
        raise CatalogueError(f"{where}: {str(values)!r:.80} is not allowed; write one JSON object a line.")
    return Fields(values, where=where, folder=folder)


def json_value(text: str) -> object:
    """Read a JSON value as manifests have them, numbers with a point as Decimal. Raises ValueError."""
    try:
        return _DECODER.decode(text)
    except (ArithmeticError, RecursionError) as error:  # an exponent that Decimal cannot hold, a thousand brackets
        raise ValueError(str(error)) from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")


# Decimal, so that a price of 49.90 stays that; NaN and Infinity are no JSON.
_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
