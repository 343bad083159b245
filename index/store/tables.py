"""Which tables hold what the store knows? SQLAlchemy Core tables, the same on SQLite and PostgreSQL.

The migrations in `index/store/migrations` build this schema step by step; a test holds both equal. Numbers that grow
without gaps in commit order (change log, events) come from `counters`, not from a sequence: a sequence hands out
numbers before the commit, so a reader that remembers the last one it saw could miss a slower transaction's lower one.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

# Explicit names for every constraint, because a later migration can only drop what it can name.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC. SQLite forgets time zones, so what comes back is marked as UTC again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: guessing one would shift evidence by hours."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"The time {value.isoformat()} has no zone; give one, such as datetime.now(UTC).")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _number(name: str) -> Column[int]:
    # SQLite counts up by itself only in a column declared as INTEGER, which is 64 bits wide there.
    return Column(name, BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)


def _words(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _sha256(name: str) -> Column[str]:
    return Column(name, String(64), nullable=False)


# --- counters and the change log -------------------------------------------------------------------------------------

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

change_log = Table(
    "change_log",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    _words("subject_id"),
)

# --- brands, marks, references ---------------------------------------------------------------------------------------

brands = Table(
    "brands",
    metadata,
    Column("brand_id", Text, primary_key=True),
    _words("name"),
    Column("lists_sellers", Boolean, nullable=False, default=False),
)

brand_names = Table(
    "brand_names",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),  # 0 is the name itself, aliases follow
    _words("name"),
    _words("lookup_key"),
    Index(None, "lookup_key"),
)

marks = Table(
    "marks",
    metadata,
    Column("mark_id", Text, primary_key=True),
    Column("brand_id", ForeignKey("brands.brand_id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    _words("name"),
)

references = Table(
    "brand_references",  # REFERENCES is a reserved word of SQL
    metadata,
    Column("reference_id", Text, primary_key=True),
    Column("brand_id", ForeignKey("brands.brand_id"), nullable=False, index=True),
    Column("mark_id", ForeignKey("marks.mark_id"), nullable=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    _sha256("image_sha256"),
    *(Column(edge, Float, nullable=True) for edge in ("x1", "y1", "x2", "y2")),
    Column("pdq", LargeBinary, nullable=True),
    Column("pdq_mirrored", LargeBinary, nullable=True),
    _words("source"),
    _words("licence"),
    _words("submitter"),
    _words("notice"),
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

# --- prices and sellers ----------------------------------------------------------------------------------------------

price_observations = Table(
    "price_observations",
    metadata,
    _number("number"),
    Column("observation_id", Text, nullable=True, unique=True),
    _words("brand"),
    _words("category"),
    _words("condition"),
    Column("amount", String(64), nullable=False),  # decimal digits: a float would not give 0.1 back
    Column("currency", String(3), nullable=False),
    Column("observe_time", UtcDateTime, nullable=True),
)

sellers = Table(
    "sellers",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("verified", Boolean, nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
)

authorised_sellers = Table(
    "authorised_sellers",
    metadata,
    Column("brand_id", ForeignKey("brands.brand_id"), primary_key=True),
    Column("seller_id", Text, primary_key=True),  # no foreign key: a brand may list sellers who have not come yet
    Column("territory", String(2), primary_key=True),  # "" is everywhere
)

# --- decisions -------------------------------------------------------------------------------------------------------

decisions = Table(
    "decisions",
    metadata,
    _number("number"),
    Column("decision_id", Text, nullable=False, unique=True),
    _words("listing_id"),
    _words("seller_id"),
    _words("brand"),
    Column("verdict", String(16), nullable=False),
    Column("create_time", UtcDateTime, nullable=False, index=True),
    Column("idempotency_key", Text, nullable=True),
    _sha256("request_sha256"),
    _words("model_fingerprint"),
    _words("index_version"),
    _words("policy_version"),
    Column("payload", LargeBinary, nullable=False),
    Index(None, "listing_id", "number"),
    # Covers the seller's tally, which every screening asks for.
    Index(None, "seller_id", "listing_id", "verdict"),
    Index(None, "brand", "number"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("key", Text, primary_key=True),
    _sha256("request_sha256"),
    # Checked at the commit, because the key is claimed before its decision is inserted.
    Column(
        "decision_id",
        ForeignKey("decisions.decision_id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("create_time", UtcDateTime, nullable=False),
)

listing_images = Table(
    "listing_images",
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    _sha256("sha256"),
    Column("pdq", LargeBinary, nullable=True),
    Column("features", LargeBinary, nullable=True),  # vision.keypoints.LocalFeatures.to_bytes
    Column("embedding", LargeBinary, nullable=True),  # float16, little-endian, by the decision's model
)

decision_events = Table(
    "decision_events",
    metadata,
    Column("cursor", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("create_time", UtcDateTime, nullable=False),
)

cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False, unique=True),
    _words("listing_id"),
    _words("brand"),
    Column("verdict", String(16), nullable=False),
    Column("priority", Float, nullable=False),
    Column("state", String(16), nullable=False),
    _words("assignee"),
    Column("lease_expire_time", UtcDateTime, nullable=True),
    _words("resolution"),
    Column("resolve_time", UtcDateTime, nullable=True),
    Column("create_time", UtcDateTime, nullable=False),
    Column("revision", Integer, nullable=False),
    Index(None, "state", "priority", "case_id"),
)

# --- removals --------------------------------------------------------------------------------------------------------

removed_listings = Table(
    "removed_listings",
    metadata,
    Column("listing_id", Text, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id"), nullable=False),
    Column("reason", String(32), nullable=False),
    _words("note"),
    Column("remove_time", UtcDateTime, nullable=False),
)

removed_images = Table(
    "removed_images",
    metadata,
    Column("listing_id", ForeignKey("removed_listings.listing_id", ondelete="CASCADE"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("pdq", LargeBinary, nullable=True),
    _words("brand"),
    Column("features", LargeBinary, nullable=True),
    Column("embedding", LargeBinary, nullable=True),
    Column("fingerprint", Text, nullable=True),  # the model of `embedding`
)
