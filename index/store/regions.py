"""By what is a screened listing found? Its regions, written in the transaction of its decision.

`index.store.listings` reads them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Text, bindparam, delete

from index.decision_records import DecisionRecord
from index.listing_regions import STORED, ListingRegions, Sighting, pack_places
from index.store.tables.listings import listing_brands, listing_regions

STEP = " > "  # between the names of a stored category path

# Built once, because each decision runs them.
_FORGET = delete(listing_regions).where(listing_regions.c.listing_id == bindparam("of_listing", type_=Text()))
_INSERT, _INSERT_BRANDS = listing_regions.insert(), listing_brands.insert()
_COLUMNS = tuple(column.name for column in listing_brands.c)


def put_regions(connection: Connection, record: DecisionRecord, regions: ListingRegions | None) -> None:
    """Make a decision's regions those of its listing, within the decision's transaction; None leaves it without."""
    connection.execute(_FORGET, {"of_listing": record.listing_id})
    if regions is None or not regions.places:
        return
    connection.execute(
        _INSERT,
        {
            "listing_id": record.listing_id,
            "decision_id": record.decision_id,
            "category": STEP.join(regions.category_path),
            "fingerprint": record.model_fingerprint,
            "dim": regions.marks.shape[1],
            "photos": regions.photos,
            "places": pack_places(regions.places),
            "marks": regions.marks.astype(STORED).tobytes(),
        },
    )
    if regions.brand_ids:
        seen = {sighting.brand_id: sighting for sighting in regions.sightings}
        brands = [_brand(record, brand_id, seen.get(brand_id)) for brand_id in dict.fromkeys(regions.brand_ids)]
        connection.execute(_INSERT_BRANDS, brands)


def _brand(record: DecisionRecord, brand_id: str, seen: Sighting | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COLUMNS) | {"listing_id": record.listing_id, "brand_id": brand_id}
    if seen is None:
        return row
    return row | {
        "reference_id": seen.reference_id,
        "image_index": seen.image_index,
        "probability": seen.probability,
        "screen_time": record.create_time,
        **{corner: getattr(seen.box, corner) for corner in ("x1", "y1", "x2", "y2")},
    }
