"""Which listings or references does a file hold? Reads the listing manifest and the reference manifest, JSON Lines.

They are how files enter: `prices import` reads a listing manifest (through `index.price_history`), `brands import` a
reference manifest, scans and evaluations both. Only `listing_id` is required of a listing; unknown keys are ignored. A
row that breaks the rules raises CatalogueError with file and line, or goes to `on_error` while the good rows go on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from index.errors import CatalogueError, PriceDataError
from index.money import Money
from index.records import ReferenceKind
from vision.regions import Box

Row = TypeVar("Row")
OnError = Callable[[CatalogueError], None]


@dataclass(frozen=True, kw_only=True)
class ListingLabels:
    """What is true of a listing, for evaluation. `brand` None: no known brand; other fields None: not labelled."""

    brand: str | None = None
    boxes: tuple[Box, ...] = ()
    category: str | None = None
    price_anomalous: bool | None = None
    infringing: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ListingRow:
    """One listing of a manifest. `where` is "file:line"; `images` are resolved paths, not checked to exist."""

    where: str
    listing_id: str
    images: tuple[Path, ...] = ()
    title: str = ""
    description: str = ""
    claimed_brand: str = ""
    category: str = ""
    condition: str = ""
    price: Money | None = None
    unit_count: int = 1
    seller_id: str = ""
    market: str = ""
    observe_time: datetime | None = None
    labels: ListingLabels = ListingLabels()

    @property
    def unit_price(self) -> Money | None:
        """The price of one piece."""
        return self.price and Money(self.price.amount / self.unit_count, self.price.currency)


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """One reference of a manifest: an image, or the boxed part of it, that shows a brand."""

    where: str
    brand: str
    kind: ReferenceKind
    image: Path
    box: Box | None = None


def read_listings(path: Path, *, on_error: OnError | None = None) -> Iterator[ListingRow]:
    """Yield the listings of the manifest at `path`, in order. Raises CatalogueError when it cannot be read at all."""
    return _read(path, _listing, on_error=on_error)


def read_references(path: Path, *, on_error: OnError | None = None) -> Iterator[ReferenceRow]:
    """Yield the references of the manifest at `path`, in order. Raises CatalogueError when it cannot be read at all."""
    return _read(path, _reference, on_error=on_error)


class _Fields:
    """The fields of one row; each method checks one type and names file, line, field and remedy when it is not that."""

    def __init__(self, values: Mapping[str, object], *, where: str, folder: Path) -> None:
        self._values = values
        self.where = where
        self.folder = folder

    def refuse(self, name: str, expected: str) -> CatalogueError:
        return CatalogueError(f"{self.where}: {name}: {self._values.get(name)!r:.80} is not allowed; give {expected}.")

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.refuse(name, "a string")
        return value or ""

    def required(self, name: str, expected: str) -> str:
        if not (value := self.text(name).strip()):
            raise self.refuse(name, expected)
        return value

    def truth(self, name: str) -> bool | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.refuse(name, "true or false")
        return value

    def time(self, name: str) -> datetime | None:
        if (value := self._values.get(name)) is None:
            return None
        try:
            time = datetime.fromisoformat(value)  # type: ignore[arg-type]  # a TypeError is caught
        except (TypeError, ValueError) as error:
            raise self.refuse(name, "a time such as 2025-09-01T12:00:00Z") from error
        if time.tzinfo is None:
            raise self.refuse(name, "a time with its zone, such as 2025-09-01T12:00:00Z")
        return time

    def path(self, value: object, name: str) -> Path:
        if not isinstance(value, str) or not value:
            raise self.refuse(name, "a path relative to the manifest, or absolute")
        return self.folder / value

    def items(self, name: str) -> list[object]:
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self.refuse(name, "a list")
        return value or []

    def box(self, value: object, name: str) -> Box:
        try:
            x1, y1, x2, y2 = (float(edge) for edge in value)  # type: ignore[attr-defined]  # a TypeError is caught
            return Box(x1, y1, x2, y2)
        except (TypeError, ValueError) as error:
            raise self.refuse(name, "[x1, y1, x2, y2] with 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1") from error

    def within(self, name: str) -> _Fields:
        value = self._values.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.refuse(name, "an object")
        return _Fields(value or {}, where=f"{self.where}: {name}", folder=self.folder)

    def price(self) -> Money | None:
        if self._values.get("price") is None:
            return None
        price = self.within("price")
        amount = price._values.get("amount")
        if isinstance(amount, bool) or not isinstance(amount, int | Decimal) or amount < 0:
            raise price.refuse("amount", "a number of 0 or more, such as 49.90")
        try:
            return Money(Decimal(amount), price.required("currency", "an ISO 4217 code such as USD"))
        except PriceDataError as error:
            raise price.refuse("currency", "an active ISO 4217 code such as USD, EUR or CNY") from error

    def unit_count(self) -> int:
        value = self._values.get("unit_count")
        if value is None:
            return 1
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.refuse("unit_count", "a whole number of pieces, 1 or more")
        return value


def _listing(fields: _Fields) -> ListingRow:
    labels = fields.within("labels")
    return ListingRow(
        where=fields.where,
        listing_id=fields.required("listing_id", "a string that names the listing"),
        images=tuple(fields.path(image, "images") for image in fields.items("images")),
        title=fields.text("title"),
        description=fields.text("description"),
        claimed_brand=fields.text("claimed_brand"),
        category=fields.text("category"),
        condition=fields.text("condition"),
        price=fields.price(),
        unit_count=fields.unit_count(),
        seller_id=fields.text("seller_id"),
        market=fields.text("market"),
        observe_time=fields.time("observe_time"),
        labels=ListingLabels(
            brand=labels.text("brand") or None,
            boxes=tuple(labels.box(box, "boxes") for box in labels.items("boxes")),
            category=labels.text("category") or None,
            price_anomalous=labels.truth("price_anomalous"),
            infringing=labels.truth("infringing"),
        ),
    )


def _reference(fields: _Fields) -> ReferenceRow:
    kinds = ", ".join(ReferenceKind)
    try:
        kind = ReferenceKind(fields.required("kind", f"one of {kinds}"))
    except ValueError as error:
        raise fields.refuse("kind", f"one of {kinds}") from error
    box = fields.items("box")
    return ReferenceRow(
        where=fields.where,
        brand=fields.required("brand", "the brand's name"),
        kind=kind,
        image=fields.path(fields.text("image"), "image"),
        box=fields.box(box, "box") if box else None,
    )


def _read(path: Path, parse: Callable[[_Fields], Row], *, on_error: OnError | None) -> Iterator[Row]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = parse(_fields(line, where=f"{path}:{number}", folder=path.parent))
                except CatalogueError as error:
                    if on_error is None:
                        raise
                    on_error(error)
                else:
                    yield row
    except OSError as error:
        raise CatalogueError(f"{path}: the manifest cannot be read: {error.strerror or error}.") from error


def _fields(line: bytes, *, where: str, folder: Path) -> _Fields:
    try:
        # Decimal, so that a price of 49.90 stays that; NaN and Infinity are no JSON.
        values = json.loads(line.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
    except (UnicodeDecodeError, json.JSONDecodeError, ValueError, RecursionError) as error:
        raise CatalogueError(f"{where}: not a line of JSON in UTF-8 ({error}); write one object a line.") from error
    if not isinstance(values, dict):
        raise CatalogueError(f"{where}: {str(values)!r:.80} is not allowed; write one JSON object a line.")
    return _Fields(values, where=where, folder=folder)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a number")
