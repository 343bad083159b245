"""Which pictures on record are photos copies of, or resemble? What the layers of a catalogue found, put together.

The answers are those of one table that holds everything: the best of all layers, and of equals those first that a
catalogue built anew would give first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.brand_table import BrandTable
from index.copies import MOST, FoundCopy
from index.layer import Layer
from index.records import DuplicateSource

T = TypeVar("T")
# Ranks pictures of equal likeness: references go before removed listings, both in the order of their ids.
_Place = tuple[bool, bytes, bytes]


@dataclass(frozen=True, kw_only=True)
class CopyMatch:
    """Photo `image_row` of the query is a copy of one on record.

    `source_id` names the reference or the removed listing, `sha256` the picture's file. `distance` counts differing PDQ
    bits, 0..256; an exact copy (the same file) has 0. `mirrored` says that the photo matched better flipped left to
    right.
    """

    image_row: int
    source: DuplicateSource
    source_id: str
    sha256: str
    brand: str
    distance: int
    exact: bool
    mirrored: bool


@dataclass(frozen=True, kw_only=True)
class Lookalike:
    """Photo `image_row` of the query resembles one on record, by cosine `similarity`.

    `source_id` names the reference or the removed listing, `sha256` the picture's file; `pdq` is its hash, if any.
    """

    image_row: int
    source: DuplicateSource
    source_id: str
    sha256: str
    brand: str
    pdq: bytes | None
    similarity: float


def find_copies(
    layers: Sequence[Layer],
    brands: BrandTable,
    bits: NDArray[np.uint8],
    mirrored_bits: NDArray[np.uint8],
    sha256s: Sequence[str],
    *,
    usable: NDArray[np.bool_] | None,
    max_distance: int,
) -> tuple[CopyMatch, ...]:
    """Find copies of n photos as `CopyTable.find` says, in all layers."""

    def nearest(found: FoundCopy, place: _Place) -> tuple[Any, ...]:
        return found.image_row, found.distance, not found.exact, place

    ranked: list[tuple[tuple[Any, ...], CopyMatch]] = []
    for layer in layers:
        for found in layer.tables.copies.find(
            bits, mirrored_bits, sha256s, masked=layer.masked, usable=usable, max_distance=max_distance
        ):
            match = CopyMatch(
                image_row=found.image_row,
                source=_source(layer, found.row),
                source_id=_source_id(layer, found.row),
                sha256=_sha256(layer, found.row),
                brand=_brand(layer, found.row, brands),
                distance=found.distance,
                exact=found.exact,
                mirrored=found.mirrored,
            )
            ranked.append((nearest(found, _place(layer, found.row)), match))
    kept = _most_of_each(ranked, lambda match: (match.image_row, match.source), MOST)
    return tuple(match for _, match in sorted(kept, key=lambda one: one[0]))


def find_lookalikes(
    layers: Sequence[Layer], brands: BrandTable, vectors: NDArray[np.float32], *, most: int
) -> tuple[Lookalike, ...]:
    """Find pictures that n whole photos may be made from as `LookalikeTable.find` says, in all layers."""
    ranked: list[tuple[tuple[Any, ...], Lookalike]] = []
    for layer in layers:
        for source, pictures in layer.tables.lookalikes.find(vectors, most=most, masked=layer.masked).items():
            for found in pictures:
                rank = (found.image_row, -found.similarity, str(source), _place(layer, found.row))
                ranked.append((rank, _lookalike(layer, found.row, brands, found.image_row, found.similarity)))
    kept = _most_of_each(ranked, lambda one: (one.image_row, one.source), most)
    return tuple(one for _, one in sorted(kept, key=lambda one: one[0]))


def _most_of_each(
    ranked: list[tuple[tuple[Any, ...], T]], group: Callable[[T], tuple[int, str]], most: int
) -> Iterator[tuple[tuple[Any, ...], T]]:
    """Keep the `most` first of each group."""
    ordered = sorted(ranked, key=lambda one: (group(one[1]), one[0]))
    for _, members in groupby(ordered, key=lambda one: group(one[1])):
        yield from list(members)[:most]


def _lookalike(layer: Layer, row: int, brands: BrandTable, image_row: int, similarity: float) -> Lookalike:
    columns = layer.columns
    return Lookalike(
        image_row=image_row,
        source=_source(layer, row),
        source_id=_source_id(layer, row),
        sha256=_sha256(layer, row),
        brand=_brand(layer, row, brands),
        pdq=columns.copy_pdq[row].tobytes() if columns.copy_has_pdq[row] else None,
        similarity=similarity,
    )


def _place(layer: Layer, row: int) -> _Place:
    columns = layer.columns
    removed = row >= len(columns.reference_ids)
    return removed, bytes(columns.copy_source_ids[row]), columns.copy_sha256[row].tobytes()


def _source(layer: Layer, row: int) -> DuplicateSource:
    return DuplicateSource(layer.columns.copy_sources[row].decode())


def _source_id(layer: Layer, row: int) -> str:
    source_id: str = layer.columns.copy_source_ids[row].decode()
    return source_id


def _sha256(layer: Layer, row: int) -> str:
    sha256: str = layer.columns.copy_sha256[row].tobytes().hex()
    return sha256


def _brand(layer: Layer, row: int, brands: BrandTable) -> str:
    """Name the brand at stake: a reference's by its present name, a removed listing's as it was found."""
    columns = layer.columns
    if row < len(columns.reference_ids):
        return brands.names[int(layer.tables.brand_rows[columns.reference_brands[row]])]
    brand: str = columns.copy_brands[row].decode()
    return brand
