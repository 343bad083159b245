"""What does a scan say of a listing? One row of its Parquet file, and the file's schema.

Rows stand in the order of the source. A listing that could not be looked at has a row all the same: `error` says why,
and its verdict is REVIEW, for nothing unreadable is ever allowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from serving.scan.blocks import ScanFault

_TEXT = pa.string()

SCHEMA = pa.schema(
    [
        pa.field("listing_id", _TEXT, nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("verdict", _TEXT, nullable=False),
        pa.field("counterfeit_probability", pa.float64()),
        pa.field("brand", _TEXT),
        pa.field("category", _TEXT),
        pa.field("price_score", pa.float64()),
        pa.field("reasons", pa.list_(_TEXT), nullable=False),
        pa.field("decision_id", _TEXT),
        pa.field("model_fingerprint", _TEXT),
        pa.field("index_version", _TEXT),
        pa.field("policy_version", _TEXT),
        pa.field("error", _TEXT),
        # What the listing said, for the report.
        pa.field("title", _TEXT),
        pa.field("seller_id", _TEXT),
        pa.field("market", _TEXT),
        pa.field("price_amount", pa.float64()),
        pa.field("price_currency", _TEXT),
        pa.field("images", pa.list_(_TEXT), nullable=False),
        # What was seen: the strongest visual match with its place, and what photos are recognised by.
        pa.field("match_brand", _TEXT),
        pa.field("match_reference_id", _TEXT),
        pa.field("match_score", pa.float64()),
        pa.field("match_image", pa.int32()),
        pa.field("match_box", pa.list_(pa.float32())),
        pa.field("image_sha256", pa.list_(_TEXT), nullable=False),
        pa.field("image_hashes", pa.list_(pa.binary()), nullable=False),
        # The facts that the decision was taken on (`serving.facts_record`): what deciding again needs.
        pa.field("facts", pa.binary()),
    ]
)
"""Every file that a scan writes has these columns; readers go by their names."""


@dataclass(frozen=True, kw_only=True)
class ScanRow:
    """One row; the fields are the columns of `SCHEMA`, None where nothing is known.

    `verdict` is ALLOW, REVIEW or TAKEDOWN. `category` is the predicted path, joined with " > ". `price_score` is the
    probability 0..1 that the price is anomalous. `reasons` are codes, the weightiest first. `price_amount` is of one
    piece. `match_score` is the calibrated probability of the match, `match_box` [x1, y1, x2, y2] relative 0..1 in the
    photo `match_image` (its place in the listing, from 0). `image_hashes` are PDQ hashes of 32 bytes, b"" for a photo
    that could not be read or is too flat for one.
    """

    listing_id: str
    line: int
    verdict: str
    counterfeit_probability: float | None = None
    brand: str | None = None
    category: str | None = None
    price_score: float | None = None
    reasons: tuple[str, ...] = ()
    decision_id: str | None = None
    model_fingerprint: str | None = None
    index_version: str | None = None
    policy_version: str | None = None
    error: str | None = None
    title: str | None = None
    seller_id: str | None = None
    market: str | None = None
    price_amount: float | None = None
    price_currency: str | None = None
    images: tuple[str, ...] = ()
    match_brand: str | None = None
    match_reference_id: str | None = None
    match_score: float | None = None
    match_image: int | None = None
    match_box: tuple[float, float, float, float] | None = None
    image_sha256: tuple[str, ...] = ()
    image_hashes: tuple[bytes, ...] = ()
    facts: bytes | None = None


@dataclass(frozen=True)
class BlockResult:
    """What a block came to: rows and faults in the order of its entries. An unreadable image has one of each."""

    number: int
    rows: tuple[ScanRow, ...]
    faults: tuple[ScanFault, ...]


def to_table(rows: Sequence[ScanRow], metadata: Mapping[str, str] | None = None) -> pa.Table:
    """Make a table of rows; `metadata` is kept with the schema."""
    schema = SCHEMA.with_metadata(dict(metadata)) if metadata else SCHEMA
    columns = [pa.array([getattr(row, field.name) for row in rows], field.type) for field in SCHEMA]
    return pa.Table.from_arrays(columns, schema=schema)
