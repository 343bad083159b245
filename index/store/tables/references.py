"""Which tables keep references, their embeddings and keypoints? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import UtcDateTime, metadata, sha256, words

references = Table(
    "brand_references",  # REFERENCES is a reserved word of SQL
    metadata,
    Column("reference_id", Text, primary_key=True),
    Column("brand_id", ForeignKey("brands.brand_id"), nullable=False, index=True),
    Column("mark_id", ForeignKey("marks.mark_id"), nullable=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    sha256("image_sha256"),
    *(Column(edge, Float, nullable=True) for edge in ("x1", "y1", "x2", "y2")),
    Column("pdq", LargeBinary, nullable=True),
    Column("pdq_mirrored", LargeBinary, nullable=True),
    Column("origin", String(32), nullable=False),
    words("source_id"),
    words("uploaded_by"),
    words("file_name"),
    words("licence"),
    words("note"),
    words("bank_id"),
    words("state_reason"),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("image_format", String(16), nullable=False),
    # What it would hit; null until that was measured.
    Column("false_matches_per_million", Float, nullable=True),
    Column("background_images", BigInteger, nullable=True),
    Column("collisions", Integer, nullable=True),
    Column("revision", Integer, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
    Column("update_time", UtcDateTime, nullable=False),
)
Index(None, references.c.brand_id, references.c.create_time, references.c.reference_id)  # a page of one brand's

reference_embeddings = Table(
    "reference_embeddings",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column(
        "reference_id", ForeignKey("brand_references.reference_id", ondelete="CASCADE"), primary_key=True, index=True
    ),
    Column("variant", Integer, primary_key=True),
    Column("dim", Integer, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # dim float32, little-endian
)

reference_features = Table(
    "reference_features",
    metadata,
    Column("reference_id", ForeignKey("brand_references.reference_id", ondelete="CASCADE"), primary_key=True),
    Column("features", LargeBinary, nullable=False),  # vision.keypoints.LocalFeatures.to_bytes
)
