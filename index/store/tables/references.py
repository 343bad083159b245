"""Which tables keep references, their embeddings and keypoints? Part of `index.store.tables`."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, String, Table, Text

from index.store.tables.base import metadata, sha256, words

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
    words("source"),
    words("licence"),
    words("submitter"),
    words("notice"),
)

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
