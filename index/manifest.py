"""Which listings or references does a file hold? Reads the listing manifest and the reference manifest, JSON Lines.

They are how files enter: `prices import` reads a listing manifest (through `index.price_history`), `brands import` a
reference manifest, scans and evaluations both. Only `listing_id` is required of a listing; unknown keys are ignored. A
row that breaks the rules raises CatalogueError with file and line, or goes to `on_error` while the good rows go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from index.errors import CatalogueError
from index.manifest_fields import Fields, json_fields
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


def _listing(fields: Fields) -> ListingRow:
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


def _reference(fields: Fields) -> ReferenceRow:
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


def _read(path: Path, parse: Callable[[Fields], Row], *, on_error: OnError | None) -> Iterator[Row]:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = parse(json_fields(line, where=f"{path}:{number}", folder=path.parent))
                except CatalogueError as error:
                    if on_error is None:
                        raise
                    on_error(error)
                else:
                    yield row
    except OSError as error:
        raise CatalogueError(f"{path}: the manifest cannot be read: {error.strerror or error}.") from error
