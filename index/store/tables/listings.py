"""Which tables keep the regions of screened listings? Part of `index.store.tables`.

One row a listing: its latest decision's, replaced when it is screened again. What else a listing is found by stands
where it is: seller, market, time and verdict in `decisions`, verdicts of people in `resolutions`, and the vectors of
whole photos in `listing_images`.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, words

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
    # Where it was seen, by the best match; null where other evidence names the brand.
    Column("reference_id", Text, nullable=True),
    Column("image_index", Integer, nullable=True),
    *(Column(name, Float, nullable=True) for name in ("x1", "y1", "x2", "y2", "probability")),
    Column("screen_time", UtcDateTime, nullable=True),
    Index(None, "brand_id", "listing_id"),
    Index(None, "brand_id", "screen_time", "listing_id"),
    Index(None, "reference_id", "screen_time", "listing_id"),
)

# How far an index that lies outside this store has followed the decisions.
catalogue_cursors = Table(
    "catalogue_cursors",
    metadata,
    Column("name", String(256), primary_key=True),
    Column("cursor", BigInteger, nullable=False),
)

# What sweeps found: once for each decision and reference, so that a sweep can be done again.
sweep_hits = Table(
    "sweep_hits",
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("reference_id", Text, primary_key=True),  # no foreign key: what was found outlives a reference
    Column("case_id", ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("image_index", Integer, nullable=False),
    *(Column(edge, Float, nullable=False) for edge in ("x1", "y1", "x2", "y2")),
    Column("similarity", Float, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
)
