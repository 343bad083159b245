"""Which tables keep the regions of screened listings? Part of `index.store.tables`.

One row a listing: its latest decision's, replaced when it is screened again. What else a listing is found by stands
where it is: seller, market, time and verdict in `decisions`, verdicts of people in `resolutions`, and the vectors of
whole photos in `listing_images`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import metadata, words

listing_regions = Table(
    "listing_regions",
    metadata,
    Column("listing_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False, unique=True),
    words("category"),  # names of the path, joined by " > "
    words("fingerprint"),  # the model of all vectors
    Column("dim", Integer, nullable=False),
    Column("photos", Integer, nullable=False),  # how many of the places are whole photos; they come first
    Column("places", LargeBinary, nullable=False),  # index.listing_regions.pack_places
    Column("marks", LargeBinary, nullable=False),  # the other places' vectors: float16, little-endian
)

listing_brands = Table(
    "listing_brands",
    metadata,
    Column("listing_id", ForeignKey("listing_regions.listing_id", ondelete="CASCADE"), primary_key=True),
    Column("brand_id", Text, primary_key=True),  # no foreign key: evidence outlives a brand
    Index(None, "brand_id", "listing_id"),
)

# How far an index that lies outside this store has followed the decisions.
catalogue_cursors = Table(
    "catalogue_cursors",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("cursor", BigInteger, nullable=False),
)
