"""How do regions stand in Milvus? The collection's fields, a listing's rows, and filters as expressions over them.

Words go in as digests: hexadecimal digits are the only thing that ever stands between quotes in an expression.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from index.listing_regions import ListingEntry
from index.listings import ListingWhere

if TYPE_CHECKING:
    from pymilvus import MilvusClient

# Room for the rows of a listing in its keys: 64 photos of 21 regions and more.
ROWS = 4_096
_DIGITS = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def create_collection(milvus: Any, client: MilvusClient, collection: str, dim: int, timeout_s: float) -> None:
    """Make the collection, exact and strongly consistent."""
    kind = milvus.DataType
    schema = milvus.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", kind.INT64, is_primary=True)
    schema.add_field("number", kind.INT64)
    schema.add_field("marks", kind.BOOL)
    schema.add_field("screened", kind.INT64)
    for name in ("listing", "seller", "market"):
        schema.add_field(name, kind.VARCHAR, max_length=_DIGITS)
    for name in ("categories", "brands"):
        schema.add_field(name, kind.ARRAY, element_type=kind.VARCHAR, max_capacity=4_096, max_length=_DIGITS)
    schema.add_field("vector", kind.FLOAT_VECTOR, dim=dim)
    indexes = client.prepare_index_params()
    # Exact. On a cluster another type (HNSW, IVF_SQ8) may take its place: the field is the same.
    indexes.add_index("vector", index_type="FLAT", metric_type="IP")
    client.create_collection(
        collection, schema=schema, index_params=indexes, consistency_level="Strong", timeout=timeout_s
    )


def rows_of(entry: ListingEntry) -> Iterator[dict[str, Any]]:
    """Give the rows of a listing's regions, by keys that are always the same."""
    same = {
        "number": entry.number,
        "screened": _microseconds(entry.screen_time),
        "listing": digest(entry.listing_id),
        "seller": digest(entry.seller_id),
        "market": digest(entry.market),
        "categories": [_path(entry.category_path[:end]) for end in range(1, len(entry.category_path) + 1)],
        "brands": [digest(brand) for brand in entry.brand_ids],
    }
    for row, vector in enumerate(entry.vectors):
        yield same | {"key": entry.number * ROWS + row, "marks": row >= entry.photos, "vector": vector.tolist()}


def conditions(where: ListingWhere) -> Iterator[str]:
    """Say what a region must meet; the verdict in force changes without a screening and is the store's."""
    if where.brand_ids:
        yield f"ARRAY_CONTAINS_ANY(brands, {_listed(digest(brand) for brand in where.brand_ids)})"
    if where.category_path:
        yield f'ARRAY_CONTAINS(categories, "{_path(where.category_path)}")'
    if where.seller_ids:
        yield one_of("seller", where.seller_ids)
    if where.markets:
        yield one_of("market", where.markets)
    if where.screened_from is not None:
        yield f"screened >= {_microseconds(where.screened_from)}"
    if where.screened_before is not None:
        yield f"screened < {_microseconds(where.screened_before)}"


def one_of(field: str, values: Iterable[str]) -> str:
    """Say that a field holds the digest of one of the values."""
    return f"{field} in {_listed(digest(value) for value in values)}"


def _listed(digests: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{digest}"' for digest in digests) + "]"


def _path(names: Sequence[str]) -> str:
    return digest("\0".join(names))


def digest(words: str) -> str:
    """Name words by hexadecimal digits, the only thing that stands between quotes in an expression."""
    return hashlib.sha256(words.encode()).hexdigest()[:_DIGITS]


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
