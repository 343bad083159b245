"""By what is a screened listing found? Its regions, written in the transaction of its decision.

`index.store.listings` reads them.
"""

from __future__ import annotations

from sqlalchemy import Connection, Text, bindparam, delete

from index.decision_records import DecisionRecord
from index.listing_regions import STORED, ListingRegions, pack_places
from index.store.tables.listings import listing_brands, listing_regions

STEP = " > "  # between the names of a stored category path

# Built once, because each decision runs them.
_FORGET = delete(listing_regions).where(listing_regions.c.listing_id == bindparam("of_listing", type_=Text()))
_INSERT, _INSERT_BRANDS = listing_regions.insert(), listing_brands.insert()


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
        brands = [{"listing_id": record.listing_id, "brand_id": brand} for brand in dict.fromkeys(regions.brand_ids)]
        connection.execute(_INSERT_BRANDS, brands)
