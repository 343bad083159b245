"""Which listings of a manifest are looked at? Conditions on what a listing says itself, before anything is decided.

What asks for a decision (brands found as evidence, predicted categories, verdicts, times of screening) can be asked of
listings already screened only, with a `catalogue` query.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from index.names import normalise_name
from serving.errors import FieldViolation
from serving.scan.blocks import ScanItem
from serving.scan.words import BELOW
from serving.wire.find import filter_violations
from touchstone.moderation.v1 import catalogue_pb2

# Conditions of ListingFilter, and what there is instead.
_NEED_A_DECISION = {
    "brand_ids": "which brands a listing shows",
    "category_path": "the predicted category",
    "verdicts": "the verdict",
    "screened_from": "when it was screened",
    "screened_before": "when it was screened",
}


@dataclass(frozen=True, kw_only=True)
class ScanFilter:
    """All conditions that are set must hold; of the values of one, any.

    Brands are what the seller claims, in any spelling (`index.names`). Categories are what the seller declares, that
    one or one below it: "shoes" lets "Shoes > Sports-Shoes" through.
    """

    sellers: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()
    claimed_brands: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether there is any condition."""
        return bool(self.sellers or self.markets or self.claimed_brands or self.categories)

    def passes(self, item: ScanItem) -> bool:
        """Whether a listing is to be looked at."""
        return (
            (not self.sellers or item.seller_id in self.sellers)
            and (not self.markets or item.market in self.markets)
            and (not self.claimed_brands or normalise_name(item.claimed_brand) in self._brands)
            and (not self.categories or self._has_category(item.category))
        )

    def words(self) -> tuple[str, ...]:
        """Say the conditions in an order that does not change, as `serving.scan.identity` names a scan's options."""
        categories = (f" {BELOW} ".join(path) for path in self._paths)
        said = {"seller": self.sellers, "market": self.markets, "brand": self._brands, "category": categories}
        return tuple(f"{name} {value}" for name, values in said.items() for value in sorted(values))

    @cached_property
    def _brands(self) -> frozenset[str]:
        return frozenset(map(normalise_name, self.claimed_brands))

    @cached_property
    def _paths(self) -> frozenset[tuple[str, ...]]:
        return frozenset(map(_path, self.categories))

    def _has_category(self, category: str) -> bool:
        declared = _path(category)
        return any(declared[: len(path)] == path for path in self._paths)


EVERYTHING = ScanFilter()


def to_filter(message: catalogue_pb2.ListingFilter) -> ScanFilter:
    """Translate the filter of a scan of a manifest, once it is checked."""
    return ScanFilter(sellers=frozenset(message.seller_ids), markets=frozenset(message.markets))


def undecided_violations(field: str, message: catalogue_pb2.ListingFilter) -> Iterator[FieldViolation]:
    """Check the filter of a scan of a manifest: it may ask for nothing that only a decision says."""
    given = {set_field.name for set_field, _ in message.ListFields()}
    for name, what in _NEED_A_DECISION.items():
        if name in given:
            remedy = f"asks {what}, which a manifest does not say; leave it out, or scan a `catalogue` query"
            yield FieldViolation(f"{field}.{name}", remedy)
    yield from filter_violations(field, message)


def _path(category: str) -> tuple[str, ...]:
    return tuple(normalise_name(part) for part in category.split(BELOW))
