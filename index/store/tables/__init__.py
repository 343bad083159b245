"""Which tables hold what the store knows? SQLAlchemy Core tables, the same on SQLite and PostgreSQL.

The migrations in `index/store/migrations` build this schema step by step; a test holds both equal. Numbers that grow
without gaps in commit order (change log, events) come from `counters`, not from a sequence: a sequence hands out
numbers before the commit, so a reader that remembers the last one it saw could miss a slower transaction's lower one.

Importing the package completes `metadata`: every module that defines tables stands in this list.
"""

from index.store.tables import (
    access,
    audit,
    cases,
    changes,
    checks,
    decisions,
    evidence,
    learning,
    listings,
    market,
    photos,
    policies,
    portal,
    prices,
    references,
    registry,
    removals,
    scans,
    sellers,
)
from index.store.tables.base import metadata

__all__ = [
    "access",
    "audit",
    "cases",
    "changes",
    "checks",
    "decisions",
    "evidence",
    "learning",
    "listings",
    "market",
    "metadata",
    "photos",
    "policies",
    "portal",
    "prices",
    "references",
    "registry",
    "removals",
    "scans",
    "sellers",
]
